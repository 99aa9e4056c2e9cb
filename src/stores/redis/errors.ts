// What an error of Redis says of the command that it refused.

import { reasonOf, StoreError, type StoreFailure } from "../../errors.ts";

/** The server refuses every write, and still answers reads. */
const REFUSES_WRITES = ["OOM", "MISCONF", "NOREPLICAS", "NOPERM"];
/**
 * The server refuses the command for another reason. A replica answers reads, too, but as it is there after a failover, it may
 * lack what the new primary has acknowledged: a session that has just begun, or a logout.
 */
const REFUSES = [
  "READONLY",
  "LOADING",
  "MASTERDOWN",
  "CLUSTERDOWN",
  "BUSY",
  "TRYAGAIN",
  "MOVED",
  "ASK",
  "NOAUTH",
  "WRONGPASS",
];
/** Another server is the master now, or this one is about to be: it is time to connect again. */
const CALLS_FOR_ANOTHER_CONNECTION = ["READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "MOVED", "NOAUTH"];

/** At the beginning or, where a script failed before Redis 7.0, somewhere in the text. */
const CODE = new RegExp(`(?:^|-)(${[...REFUSES_WRITES, ...REFUSES].join("|")}) `);

/** Errors of clients that did not send the command. */
const NOT_SENT = /^(The client is offline|The client is closed|The queue is full)$/;
/** Of a client that knows no server for the slot of a key. It does not ask again by itself. */
const NO_SLOT = /undefined \(reading 'master'\)$/;

/** The connection that a command needs is not there. The command was not sent. */
export class NotConnectedError extends Error {}

/** Connects again, if the error says that it may help. */
export function renewAfter(connection: { renew?(): void }, error: unknown): void {
  const code = codeOf(error);
  if (code === undefined ? NO_SLOT.test(reasonOf(error)) : CALLS_FOR_ANOTHER_CONNECTION.includes(code)) {
    connection.renew?.();
  }
}

/** What is to be thrown for a command that failed. Connects again, if that may help. */
export function toThrow(connection: { renew?(): void }, error: unknown): unknown {
  renewAfter(connection, error);
  const code = codeOf(error);
  const failure = failureOf(error, code);
  if (failure === undefined) return error;
  return new StoreError(`coatcheck: ${messageOf(error, code)}`, error, failure);
}

/** True if the server has answered, and refuses the command. */
export function isRefusal(error: unknown): boolean {
  return codeOf(error) !== undefined;
}

/** True if the server refuses this write, and the session may still be read. */
export function isWriteRefused(error: unknown): boolean {
  const code = codeOf(error);
  return code !== undefined && REFUSES_WRITES.includes(code);
}

function failureOf(error: unknown, code: string | undefined): StoreFailure | undefined {
  if (code !== undefined)
    return REFUSES_WRITES.includes(code) ? { applied: false, refusesWrites: true } : { applied: false };
  if (!(error instanceof Error)) return undefined;
  const wasSent = !(error instanceof NotConnectedError || NOT_SENT.test(error.message) || NO_SLOT.test(error.message));
  return wasSent ? undefined : { applied: false };
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error ? CODE.exec(error.message)?.[1] : undefined;
}

function messageOf(error: unknown, code: string | undefined): string {
  const reason = reasonOf(error);
  if (NO_SLOT.test(reason)) return "no server of the Redis Cluster serves the slot of this session";
  if (code === undefined) return reason;
  const hint = code === "MOVED" ? ". The server is one of a Cluster: name its servers in the option cluster" : "";
  return `Redis refused a command: ${reason}${hint}`;
}
