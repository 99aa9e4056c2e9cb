// Checks that the registers of a session are linearizable.
import type { Operation } from "../history.ts";
import type { SessionHistory, Write } from "./session-history.ts";
import type { Violation } from "./violation.ts";

/** A value's write and the reads that saw it. */
interface Cluster {
  write: Write;
  reads: Operation[];
  /** By then it had certainly been written. */
  writtenBy: number;
  /** At least until then it was the current value. */
  thereUntil: number;
}

/**
 * Registers are linearizable if all operations can be put into one order that agrees with their times, in which each read
 * sees the last write before it. Because each value is written once, intervals decide that (Gibbons and Korach, Testing
 * Shared Memories, 1997): a value is the current one from its write to its last read. Two such zones must not overlap, and
 * no other write may lie within one.
 */
export function checkRegister(key: string, { reads, writes, root }: SessionHistory): Violation[] {
  const violations: Violation[] = [];
  const clusters = new Map<string, Cluster>();
  const deletes: Write[] = [];
  for (const write of writes) {
    const { kind, name } = write.operation;
    if (write.operation.key !== key) continue;
    if (kind === "delete") deletes.push(write);
    else clusters.set(name, { write, reads: [], writtenBy: write.end, thereUntil: write.call });
  }
  const empty: Operation[] = [];
  for (const read of reads) {
    const value = read.seen!.registers?.[key];
    if (value === undefined) continue;
    if (value === null) {
      empty.push(read);
      continue;
    }
    const cluster = clusters.get(value);
    if (cluster === undefined || cluster.write.call > read.end) {
      const message = `session ${root} had ${value} under "${key}", which was never written there`;
      violations.push({
        anomaly: "impossible value",
        message,
        operations: cluster ? [cluster.write.operation, read] : [read],
      });
      continue;
    }
    cluster.reads.push(read);
    cluster.writtenBy = Math.min(cluster.writtenBy, read.end);
    cluster.thereUntil = Math.max(cluster.thereUntil, read.call);
  }
  // Values that were perhaps never written and that no read saw do not matter.
  const happened = [...clusters.values()].filter(({ writtenBy }) => writtenBy < Infinity);
  const unread = deletes.filter(({ end }) => end < Infinity).map(unreadCluster);
  return [...violations, ...overlaps(key, [...happened, ...unread]), ...missed(key, empty, happened, deletes)];
}

function overlaps(key: string, clusters: Cluster[]): Violation[] {
  const violations: Violation[] = [];
  const zones = clusters.filter(({ writtenBy, thereUntil }) => writtenBy < thereUntil);
  zones.sort((a, b) => a.writtenBy - b.writtenBy);
  for (const [i, zone] of zones.entries()) {
    const next = zones[i + 1];
    if (next !== undefined && next.writtenBy < zone.thereUntil) {
      const message = `"${key}" was ${zone.write.operation.name}, then ${next.write.operation.name}, then the first again`;
      violations.push({ anomaly: "stale read", message, operations: [...witnesses(zone), ...witnesses(next)] });
    }
  }
  for (const cluster of clusters) {
    if (cluster.writtenBy < cluster.thereUntil) continue;
    // The last zone that begins before this write.
    const zone = zones[lastBefore(zones, cluster.thereUntil)];
    if (zone === undefined || cluster.writtenBy >= zone.thereUntil) continue;
    const anomaly = cluster.reads.length > 0 ? "stale read" : "lost update";
    const { name } = cluster.write.operation;
    const message = `"${key}" was ${zone.write.operation.name} before and after ${name}, which was acknowledged between`;
    violations.push({ anomaly, message, operations: [...witnesses(zone), ...witnesses(cluster)] });
  }
  return violations;
}

/** Reads of no value. The beginning and each delete explain them until a value is written. */
function missed(key: string, empty: Operation[], clusters: Cluster[], deletes: Write[]): Violation[] {
  return empty.flatMap((read) => {
    const explained = Math.max(-Infinity, ...deletes.filter(({ call }) => call < read.end).map(({ end }) => end));
    const missing = clusters.find(({ write, writtenBy }) => write.call > explained && writtenBy < read.call);
    if (missing === undefined) return [];
    const seenLater = missing.reads.some(({ end }) => end > read.call);
    const message = `"${key}" was empty after ${missing.write.operation.name} was written`;
    const anomaly = seenLater ? "stale read" : "lost update";
    return [{ anomaly, message, operations: [...witnesses(missing), read] } as const];
  });
}

/** The write, and the first and the last read that saw it. */
function witnesses({ write, reads, writtenBy, thereUntil }: Cluster): Operation[] {
  const first = reads.find(({ end }) => end === writtenBy);
  const last = reads.find(({ call }) => call === thereUntil);
  return [...new Set([write.operation, first, last])].filter((operation) => operation !== undefined);
}

function unreadCluster(write: Write): Cluster {
  return { write, reads: [], writtenBy: write.end, thereUntil: write.call };
}

function lastBefore(zones: Cluster[], time: number): number {
  let [low, high] = [0, zones.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (zones[middle]!.writtenBy < time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
