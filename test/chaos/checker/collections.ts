import type { Operation } from "../history.ts";
import type { SessionHistory, Write } from "./session-history.ts";
import type { Violation, Wrong } from "./violation.ts";

interface Item {
  added: Write;
  removals: Write[];
  /** By then it had surely been added. */
  knownBy: number;
}

/** Under "append" the list only grows at its end; under "union" items come and go one by one. */
export function checkLog(history: SessionHistory): Violation[] {
  return [...checkItems("log", history), ...checkOrder(history)];
}

export function checkTags(history: SessionHistory): Violation[] {
  return checkItems("tags", history);
}

/** Everything that was added is there once until it is removed. */
function checkItems(key: "log" | "tags", { root, reads, writes }: SessionHistory): Violation[] {
  const violations: Violation[] = [];
  const wrongly = (wrong: Wrong, what: string, ...operations: Operation[]) =>
    violations.push({ wrong, message: `"${key}" of session ${root} ${what}`, operations });
  const looks = reads.flatMap((read) => (read.seen![key] ? [{ read, items: read.seen![key] }] : []));
  const items = itemsOf(key, writes);
  for (const { read, items: seen } of looks) {
    if (new Set(seen).size < seen.length) wrongly("impossible value", "has an item twice", read);
    for (const name of seen) {
      const item = items.get(name);
      if (item === undefined || item.added.call > read.end) {
        wrongly(
          "impossible value",
          `has ${name}, which nobody had added`,
          ...(item ? [item.added.operation] : []),
          read,
        );
        continue;
      }
      item.knownBy = Math.min(item.knownBy, read.end);
    }
  }
  for (const { read, items: list } of looks) {
    const seen = new Set(list);
    for (const [name, { added, removals, knownBy }] of items) {
      if (seen.has(name)) {
        const removal = removals.find(({ operation, end }) => operation.call > knownBy && end < read.call);
        if (removal) wrongly("lost update", `has ${name} after its removal`, added.operation, removal.operation, read);
      } else if (knownBy < read.call && !removals.some(({ call }) => call < read.end)) {
        const later = looks.find((look) => look.read.call > read.end && look.items.includes(name));
        wrongly(later ? "stale read" : "lost update", `misses ${name}`, added.operation, read);
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

/** Of two reads, the shorter is how the longer begins. */
function checkOrder({ root, reads }: SessionHistory): Violation[] {
  const looks = reads.filter(({ seen }) => seen!.log !== undefined);
  looks.sort((a, b) => a.seen!.log!.length - b.seen!.log!.length);
  return looks.flatMap((read, i) => {
    const next = looks[i + 1];
    if (next === undefined || read.seen!.log!.every((item, at) => next.seen!.log![at] === item)) return [];
    const message = `"log" of session ${root} was seen in two orders`;
    return [{ wrong: "lost update", message, operations: [read, next] } as const];
  });
}
