// What the console's server and its page say to each other. Instants are in milliseconds since 1970, by the store's clock.

import type { EndReason } from "../events.ts";

/** What one server has counted since it started. A number only grows, so a rate is the difference of two samples. */
export interface ServerTotals {
  /** Requests that opened a session, or would have. */
  requests: number;
  started: number;
  ended: Readonly<Record<EndReason, number>>;
  /** Calls to the store: its round trips. */
  storeCalls: number;
  storeErrors: number;
  /** For each bound of `LATENCY_BOUNDS`, the calls that took at most that many milliseconds, and more than the bound before. */
  latency: readonly number[];
  conflicts: number;
  gone: number;
  /** Requests in mode `"exclusive"` that waited, and the milliseconds that they waited together. */
  waits: number;
  waited: number;
  cacheHits: number;
  cacheMisses: number;
  forged: number;
  unreadable: number;
}

/** A copy whose numbers can be changed. */
export function copyOf(totals: ServerTotals) {
  return { ...totals, ended: { ...totals.ended }, latency: [...totals.latency] };
}

/** Upper bounds of the latency counts in milliseconds, a fifth more each; the last count is of what took longer. */
export const LATENCY_BOUNDS: readonly number[] = Array.from({ length: 64 }, (_, i) => 0.05 * 1.2 ** i);

/** Nothing was counted. The last latency is of calls that took longer than every bound. */
export const NO_TOTALS: ServerTotals = {
  requests: 0,
  started: 0,
  ended: { destroyed: 0, expired: 0, revoked: 0, replaced: 0 },
  storeCalls: 0,
  storeErrors: 0,
  latency: new Array<number>(LATENCY_BOUNDS.length + 1).fill(0),
  conflicts: 0,
  gone: 0,
  waits: 0,
  waited: 0,
  cacheHits: 0,
  cacheMisses: 0,
  forged: 0,
  unreadable: 0,
};

/**
 * `up`: it has reported lately. `late`: it should have. `stopped`: it said goodbye. `lost`: it stopped reporting without
 * a word, as a process does that was killed.
 */
export type ServerStatus = "up" | "late" | "stopped" | "lost";

export interface ServerReport {
  /** Random, of this process. */
  id: string;
  /** Its host's name and process id, or what the application calls it. */
  name: string;
  startedAt: number;
  seenAt: number;
  status: ServerStatus;
  /** Whether its last report reached the store: the sender of a state may have one that did not. */
  storeUp: boolean;
  totals: ServerTotals;
}

/** An event of the stream `live`, about once a second. */
export interface ConsoleState {
  at: number;
  application: string;
  /** The server that sends this. */
  sender: string;
  store: {
    /** `"redis"`, `"postgres"` …, as the store calls itself, or `"store"`. */
    name: string;
    status: "up" | "down";
    /** Since when it is up or down, as far as this server knows. */
    since: number;
    /** Milliseconds of the last probe. */
    latency: number;
    /** Why it is down, without secrets. */
    reason?: string;
    canList: boolean;
  };
  /** Sessions alive: counted at `countedAt`, and since then what servers reported. Undefined: the store can't list, or not yet. */
  alive?: { count: number; countedAt: number };
  servers: readonly ServerReport[];
}

/** A session as the console shows it: never a value, never a ticket. */
export interface SessionView {
  id: string;
  owner?: string;
  createdAt?: number;
  lastSeenAt?: number;
  authenticatedAt?: number;
  expiresAt: number;
  /** Device and address. */
  client?: { label?: string; address?: string; userAgent?: string };
  /** The names of its keys. Undefined: it can't be opened without its ticket, or without another secret. */
  keys?: readonly string[];
}

/** One session's record, and what a stranger with access to the database sees of it. */
export interface RecordView extends SessionView {
  /** Bytes in the store. */
  size: number;
  stranger: {
    /** The key in the store. */
    key: string;
    /** The hashed owner, as the store has it. */
    owner?: string;
    /** The first bytes of the value, in hexadecimal. Undefined: it is not encrypted, so it is not shown. */
    bytes?: string;
  };
}

/** Answer of `POST find` with `{ owner }` or `{ id }`. */
export type Found = { sessions: readonly SessionView[]; more: boolean } | { record: RecordView } | { none: true };

/** Answer of `POST end` with `{ id }` or `{ owner }`. */
export interface Ended {
  ended: number;
}

/** Answer of anything that failed, with a status of 400 or more. */
export interface Failure {
  error: string;
}
