// Helpers of the conformance cases: what a case gets, assertions, and waits.

import { AssertionError } from "node:assert/strict";
import { randomBytes, randomFillSync } from "node:crypto";
import { inspect, isDeepStrictEqual } from "node:util";
import type { Sessions } from "../index.ts";
import type { SessionEntry, SessionStore, SessionWrite, StoredSession, Version } from "../store.ts";

/** What a case needs besides the six methods that every store has. */
export type Need = "list" | "claimExpired" | "watch" | "time" | "shared" | "processes" | "outage";

/** Stops and starts the server of the store. */
export interface Outage {
  /** Resolves once the server is down. */
  stop(): Promise<void>;
  /** Resolves once the server accepts connections again. Its data may be lost. */
  start(): Promise<void>;
  /** How long a call may take to fail while the server is down, in milliseconds. Default: 15,000. */
  within?: number;
}

/** What the sessions of the suite hold, where the core is over the store. */
export interface Data {
  n?: number;
}

/** What a case gets from the suite. */
export interface Kit {
  /**
   * Opens another handle to the same data, as another server would. It is closed after the case. If handles do not share
   * data, gives the same handle every time.
   */
  open(): Promise<SessionStore>;
  /** Sessions over another handle, with the store's own clock. They are closed after the case, and the store with them. */
  serve(options?: { idleTimeout: number }): Promise<Sessions<Data>>;
  maxValue: number;
  /** The module that makes the store in another process. */
  processes: string;
  outage: Required<Outage>;
}

export interface Case {
  name: string;
  needs?: Need[];
  run(kit: Kit): Promise<void>;
}

export const HOUR = 3_600_000;

/** How long a short-lived session lives, in milliseconds. Nothing is asserted about it before its end. */
export const SHORT = 300;

/** How long `eventually` waits, in milliseconds. */
const MAX_WAIT = 10_000;

/** A key as the core makes them: 24 characters of base64url. */
export function newKey(): string {
  return randomBytes(18).toString("base64url");
}

/** Random bytes, drawn in parts: workerd gives at most 64 KiB at a time. */
export function randomValue(size: number): Uint8Array {
  const value = new Uint8Array(size);
  for (let at = 0; at < size; at += 65_536) randomFillSync(value.subarray(at, at + 65_536));
  return value;
}

export function inAnHour(): number {
  return Date.now() + HOUR;
}

export function bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text));
}

export function text(value: Uint8Array): string {
  return Buffer.from(value).toString();
}

/** The content of a live session, with the properties that matter to a case. */
export function session(over: Partial<SessionWrite> = {}): SessionWrite {
  return { value: bytes("coat"), expiresAt: inAnHour(), ...over };
}

/** Throws an error with the rule, unless the two are deeply equal. */
export function same(actual: unknown, expected: unknown, rule: string): void {
  if (isDeepStrictEqual(actual, expected)) return;
  throw new AssertionError({
    message: `${rule}\n  expected: ${inspect(expected)}\n  got:      ${inspect(actual)}`,
    actual,
    expected,
    operator: "deepStrictEqual",
  });
}

/** Throws an error with the rule, unless the condition holds. */
export function that(condition: boolean, rule: string): asserts condition {
  if (!condition) throw new AssertionError({ message: rule, actual: false, expected: true, operator: "==" });
}

/** Throws unless the value has exactly these bytes. The error prints the first difference instead of all bytes. */
export function sameBytes(actual: Uint8Array, expected: Uint8Array, rule: string): void {
  that(
    actual instanceof Uint8Array,
    `${rule}\n  read must give a Uint8Array (a Buffer is one), not ${inspect(actual)}`,
  );
  if (Buffer.compare(actual, expected) === 0) return;
  let at = 0;
  while (at < expected.length && actual[at] === expected[at]) at++;
  const excerpt = (value: Uint8Array) => Buffer.from(value.subarray(at, at + 16)).toString("hex") || "(the end)";
  throw new AssertionError({
    message: `${rule}\n  expected ${expected.length} bytes, got ${actual.length}; first difference at byte ${at}: expected ${excerpt(expected)}, got ${excerpt(actual)}`,
    operator: "deepStrictEqual",
  });
}

/** Creates a session, and gives its key and version. Default: a new key. */
export async function begin(store: SessionStore, over: Partial<SessionWrite> = {}, key = newKey()) {
  const version = await store.create(key, session(over));
  that(
    version !== "exists",
    `create(${JSON.stringify(key)}) answered "exists" for a free key. Only a live session occupies its key.`,
  );
  return { key, version: version as Version };
}

/** Reads a session that must be there. */
export async function present(store: SessionStore, key: string, rule: string): Promise<StoredSession> {
  const found = await store.read(key);
  that(found !== undefined, `${rule}\n  read gave undefined for a live session.`);
  return found;
}

/** Throws if there is such a session. */
export async function absent(store: SessionStore, key: string, rule: string): Promise<void> {
  const found = await store.read(key);
  that(found === undefined, `${rule}\n  read still gives ${inspect(found)}`);
}

/** Throws unless the session is exactly the expected one. */
export async function unchanged(
  store: SessionStore,
  key: string,
  expected: SessionWrite & { version: Version },
  rule: string,
): Promise<void> {
  const { value, expiresAt, owner, version } = await present(store, key, rule);
  sameBytes(value, expected.value, rule);
  same(
    { expiresAt, owner, version },
    { expiresAt: expected.expiresAt, owner: expected.owner, version: expected.version },
    rule,
  );
}

/** All entries that `list` yields. */
export async function listed(store: SessionStore, owner?: string): Promise<SessionEntry[]> {
  const entries: SessionEntry[] = [];
  for await (const entry of store.list!(owner === undefined ? {} : { owner })) entries.push(entry);
  return entries;
}

/** The keys that `list` yields for an owner, sorted, with duplicates. */
export async function keysOf(store: SessionStore, owner: string): Promise<string[]> {
  return (await listed(store, owner)).map(({ key }) => key).sort();
}

export function sleep(span: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, span));
}

/** Waits until an instant has passed, with 100 ms more for a server's clock that is behind. */
export async function past(instant: number): Promise<void> {
  while (Date.now() < instant + 100) await sleep(instant + 100 - Date.now());
}

/** Repeats `probe` until it gives a value. Throws an error with the rule after ten seconds. */
export async function eventually<Found>(rule: string, probe: () => Promise<Found | undefined> | Found | undefined) {
  for (const end = Date.now() + MAX_WAIT; ; await sleep(25)) {
    const found = await probe();
    if (found !== undefined) return found;
    that(Date.now() < end, `${rule}\n  It did not happen within ${MAX_WAIT / 1000} s.`);
  }
}

/**
 * Runs a step that must happen before a short-lived session ends. `attempt` gets the session's life in milliseconds, and
 * gives false if the machine was too slow. It is then repeated with a longer life.
 */
export async function inTime(attempt: (life: number) => Promise<boolean>): Promise<void> {
  for (let life = 500; ; life *= 4) if ((await attempt(life)) || life > 30_000) return;
}

export function times<Result>(count: number, each: (index: number) => Result): Result[] {
  return Array.from({ length: count }, (_, index) => each(index));
}

/** Opens this many handles. */
export function handles(kit: Kit, count: number): Promise<SessionStore[]> {
  return Promise.all(times(count, () => kit.open()));
}

/** Adds 1 to the number in the session, `count` times, as the core does: by read, compare-and-swap, and retry on conflict. */
export async function increment(store: SessionStore, key: string, count: number): Promise<void> {
  for (let done = 0; done < count; ) {
    const { value, version, expiresAt } = await present(
      store,
      key,
      "A session must stay until it is deleted or expires.",
    );
    const answer = await store.update(key, { value: bytes(String(Number(text(value)) + 1)), expiresAt }, version);
    that(answer !== "gone", 'update answered "gone" for a live session.');
    if (answer === "conflict") await sleep(Math.random() * 10);
    else done++;
  }
}
