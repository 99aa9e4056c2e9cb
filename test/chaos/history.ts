// What browsers sent and got: the history that the checker checks.
import type { RouteMode } from "../../src/adapters/options.ts";

/** Kinds of requests. */
export type Kind =
  | "read"
  /** Writes a unique value to a register. */
  | "set"
  /** Deletes a register. */
  | "delete"
  /** Increments `n` by `update`. */
  | "increment"
  /** Increments `hits`, which has the resolver "counter". */
  | "count"
  /** Adds a unique item to `log`, which has the resolver "append". */
  | "append"
  /** Adds a unique item to `tags`, which has the resolver "union". */
  | "tag"
  /** Removes an item from `tags`. */
  | "untag"
  /** Reads and then writes the whole session in exclusive mode, with pauses between. */
  | "serial"
  | "login"
  | "logout"
  /** Ends all sessions of an owner. */
  | "revoke"
  /** Lists the sessions in the store, after all other requests. */
  | "census";

/** What a request asks a server to do. */
export interface Command {
  /** Unique: the browser's name and the number of its request. A session has the name of the request that began it. */
  name: string;
  kind: Kind;
  mode: RouteMode;
  /** The register of `set` and `delete`. */
  key?: string;
  /** The item of `tag` and `untag`. All other requests write their name. */
  item?: string;
  owner?: string;
  /** Milliseconds between reading and writing. */
  think: number;
  /** Write by `save()`, which returns whether the session still existed; otherwise by the commit. */
  save: boolean;
}

/** What the request's handler answers. */
export interface Answer {
  /** The id of the session that the request found. Left out if there was none. */
  id?: string;
  /** The session's contents then: only the keys that were read, and null for missing ones. */
  seen: Seen;
  /** False if the session had ended, so that nothing was written. */
  done?: boolean;
  /** When the critical section began and ended. */
  hold?: [enter: number, leave: number];
  /** The ids of the sessions in the store. */
  census?: string[];
}

export interface Seen {
  /** The name of the session: that of the request that began it. */
  root?: string | null;
  registers?: Record<string, string | null>;
  n?: number | null;
  hits?: number;
  log?: string[];
  tags?: string[];
  turn?: Turn | null;
  /** Written at the beginning of each turn. */
  left?: string | null;
  /** Written at the end of each turn. */
  right?: string | null;
}

/** The number of turns in exclusive mode so far, and the name of the last one. */
export interface Turn {
  n: number;
  last: string;
}

/** A request and its outcome. Times are milliseconds of the machine's monotonic clock, which all processes share. */
export interface Operation extends Command, Partial<Answer> {
  browser: string;
  server: number;
  call: number;
  /** When the answer arrived. Infinity for an unknown outcome: the request may take effect at any time after the call. */
  end: number;
  /** `dropped`: the server answered that nothing was written. `unknown`: an error, a cut connection, or a timeout. */
  outcome: "done" | "dropped" | "unknown";
  /** The error of an unknown outcome. */
  reason?: string;
  /** The id of the session whose ticket the browser sent. */
  sent?: string;
  /** The id of the session whose ticket the browser got. */
  got?: string;
}

/** All operations of a run. */
export interface History extends SessionLimits {
  operations: Operation[];
  /** Spans in which the store's guarantees allow it to lose acknowledged writes. */
  lossy?: [from: number, to: number][];
  /** Spans in which the store's guarantees allow it to answer reads with an earlier state. */
  stale?: [from: number, to: number][];
}

/** What ends sessions apart from requests, in milliseconds. */
export interface SessionLimits {
  /** Until a revocation is visible on every server, where servers cache sessions. Default: 0. */
  visibleAfter?: number;
  /** A session that no request uses for this long ends. Default: longer than the run. */
  idleTimeout?: number;
  /** A session of this age ends. Default: longer than the run. */
  absoluteTimeout?: number;
}

export const REGISTERS = ["a", "b", "c"] as const;

/** The monotonic clock, the same in all processes. */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** One operation as a line, with times since `start`. */
export function line(operation: Operation, start: number): string {
  const { name, kind, mode, key, item, owner, server, call, end, outcome, reason, sent, id, got, seen, hold } =
    operation;
  const at = (time: number) => (Number.isFinite(time) ? ((time - start) / 1000).toFixed(4) : "     ?");
  const facts = [
    `${at(call)} … ${at(end)}`.padEnd(20),
    name.padEnd(9),
    [kind, key, item, owner].filter(Boolean).join(" "),
    mode,
    `server ${server}`,
    outcome + (reason ? ` (${reason})` : ""),
    sent && `sent ${sent.slice(0, 6)}`,
    id && id !== sent && `found ${id.slice(0, 6)}`,
    sent && !id && outcome !== "unknown" && "found none",
    got && `got ${got.slice(0, 6)}`,
    hold && `held ${at(hold[0])} … ${at(hold[1])}`,
    seen && `saw ${JSON.stringify(seen)}`,
  ];
  return facts.filter(Boolean).join("  ");
}
