// Checks the lists of a session: the log and the tags.
import type { Operation } from "../history.ts";
import type { SessionHistory, Write } from "./session-history.ts";
import type { Anomaly, Violation } from "./violation.ts";

interface Item {
  added: Write;
  removals: Write[];
  /** By then it had certainly been added. */
  knownBy: number;
}

/** With the resolver "append", the list only grows, at its end. */
export function checkLog(history: SessionHistory): Violation[] {
  return [...checkItems("log", history), ...checkOrder(history)];
}

/** With the resolver "union", items are added and removed one by one. */
export function checkTags(history: SessionHistory): Violation[] {
  return checkItems("tags", history);
}

/** Every added item is in the list exactly once until it is removed. */
function checkItems(key: "log" | "tags", { root, reads, writes }: SessionHistory): Violation[] {
  const violations: Violation[] = [];
  const report = (anomaly: Anomaly, what: string, ...operations: Operation[]) =>
    violations.push({ anomaly, message: `"${key}" of session ${root} ${what}`, operations });
  const observations = reads.flatMap((read) => (read.seen![key] ? [{ read, items: read.seen![key] }] : []));
  const items = itemsOf(key, writes);
  for (const { read, items: seen } of observations) {
    if (new Set(seen).size < seen.length) report("impossible value", "has an item twice", read);
    for (const name of seen) {
      const item = items.get(name);
      if (item === undefined || item.added.call > read.end) {
        report("impossible value", `has ${name}, which was never added`, ...(item ? [item.added.operation] : []), read);
        continue;
      }
      item.knownBy = Math.min(item.knownBy, read.end);
    }
  }
  for (const { read, items: list } of observations) {
    const seen = new Set(list);
    for (const [name, { added, removals, knownBy }] of items) {
      if (seen.has(name)) {
        const removal = removals.find(({ operation, end }) => operation.call > knownBy && end < read.call);
        if (removal) report("lost update", `has ${name} after its removal`, added.operation, removal.operation, read);
      } else if (knownBy < read.call && !removals.some(({ call }) => call < read.end)) {
        const later = observations.find((other) => other.read.call > read.end && other.items.includes(name));
        report(later ? "stale read" : "lost update", `misses ${name}`, added.operation, read);
      }
    }
  }
  return violations;
}

function itemsOf(key: "log" | "tags", writes: Write[]): Map<string, Item> {
  const items = new Map<string, Item>();
  for (const write of writes) {
    const { kind, name, item } = write.operation;
    if (kind !== (key === "log" ? "append" : "tag")) continue;
    items.set(key === "log" ? name : item!, { added: write, removals: [], knownBy: write.end });
  }
  for (const write of writes) {
    if (key === "tags" && write.operation.kind === "untag") items.get(write.operation.item!)?.removals.push(write);
  }
  return items;
}

/** Of two reads, the longer list begins with the shorter one. */
function checkOrder({ root, reads }: SessionHistory): Violation[] {
  const observations = reads.filter(({ seen }) => seen!.log !== undefined);
  observations.sort((a, b) => a.seen!.log!.length - b.seen!.log!.length);
  return observations.flatMap((read, i) => {
    const next = observations[i + 1];
    if (next === undefined || read.seen!.log!.every((item, at) => next.seen!.log![at] === item)) return [];
    const message = `"log" of session ${root} was seen in two orders`;
    return [{ anomaly: "lost update", message, operations: [read, next] } as const];
  });
}
