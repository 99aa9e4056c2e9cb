import type { RouteMode } from "../../src/adapters/options.ts";

/** What browsers ask of servers. */
export type Kind =
  | "read"
  /** A register gets a value that nothing else has, or is deleted. */
  | "set"
  | "delete"
  /** `update(n, +1)`, and `hits++` under the resolver "counter". */
  | "increment"
  | "count"
  /** Resolvers "append" and "union": an item that nothing else adds. */
  | "append"
  | "tag"
  | "untag"
  /** The whole session, read and then written with waits between, in exclusive mode. */
  | "serial"
  | "login"
  | "logout"
  /** An administrator ends all sessions of an owner. */
  | "revoke"
  /** What is in the store, asked when all is quiet. */
  | "census";

/** What a request says. */
export interface Ask {
  /** Unlike every other's: the browser, and the number of its request. A session is called after the one that began it. */
  name: string;
  kind: Kind;
  mode: RouteMode;
  /** A register, for `set` and `delete`. */
  key?: string;
  /** The item, for `tag` and `untag`; all else writes its name. */
  item?: string;
  owner?: string;
  /** Milliseconds between reading and writing. */
  think: number;
  /** Write by `save()`, which tells whether the session was still there; else by the commit. */
  save: boolean;
}

/** What the handler tells. */
export interface Answer {
  /** The session that the request found; left out if none. */
  id?: string;
  /** What was in it then. Only what was looked at, and null for what was not there. */
  seen: Seen;
  /** False if the handler was told that the session had ended, so that it wrote nothing. */
  done?: boolean;
  /** When the critical section began and ended. */
  hold?: [enter: number, leave: number];
  /** The ids of the sessions in the store. */
  census?: string[];
}

export interface Seen {
  /** The name of the session: what began it. */
  root?: string | null;
  registers?: Record<string, string | null>;
  n?: number | null;
  hits?: number;
  log?: string[];
  tags?: string[];
  turn?: Turn | null;
  /** Written one after the other by whoever has the turn. */
  left?: string | null;
  right?: string | null;
}

/** How many had the session for themselves, and who was the last. */
export interface Turn {
  n: number;
  last: string;
}

/** A request and what came of it. Times are milliseconds of the machine's monotonic clock, which all processes share. */
export interface Operation extends Ask, Partial<Answer> {
  browser: string;
  server: number;
  call: number;
  /** When the answer was there. Unknown outcomes never end: what was asked may happen at any time after the call. */
  end: number;
  /** `dropped`: the server said that nothing was written. `unknown`: an error, a cut connection, or no answer in time. */
  outcome: "done" | "dropped" | "unknown";
  /** What an unknown outcome looked like. */
  reason?: string;
  /** The id of the session whose ticket the browser sent. */
  sent?: string;
  /** The id of the session whose ticket the browser got. */
  got?: string;
}

/** Everything that happened in a run. */
export interface History {
  operations: Operation[];
  /** Spans in which the store may lose, by its own promise, what it has acknowledged. */
  lossy?: [from: number, to: number][];
  /** Milliseconds until every server has noticed a revocation, where servers keep copies. Default: 0. */
  noticedAfter?: number;
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
