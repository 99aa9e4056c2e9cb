import { AssertionError } from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { inspect, isDeepStrictEqual } from "node:util";
import type { SessionEntry, SessionStore, SessionWrite, StoredSession, Version } from "../store.ts";

/** What a case needs besides the seven methods that every store has. */
export type Need = "list" | "claimExpired" | "watch" | "shared" | "processes" | "outage";

/** How to bring the store's server down and up again. */
export interface Outage {
  stop(): Promise<void>;
  /** Resolves once the server takes connections again. Its data may be lost. */
  start(): Promise<void>;
  /** The longest that a call may take to fail while the server is down, in milliseconds. Default: 15,000. */
  within?: number;
}

/** What a case works with. */
export interface Kit {
  /**
   * Another handle onto the same data, as another server has it; closed after the case.
   * Where handles do not share, it is the same one every time.
   */
  open(): Promise<SessionStore>;
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

/** How long a session with a short life lives. Nothing is asserted about it before it ends. */
export const SHORT = 300;

/** The longest that a late report, such as one of `watch`, is waited for. */
const PATIENCE = 10_000;

/** A key as the core makes them: 24 characters of base64url. */
export function newKey(): string {
  return randomBytes(18).toString("base64url");
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

/** A live session's content, with what a case cares about on top. */
export function session(over: Partial<SessionWrite> = {}): SessionWrite {
  return { value: bytes("coat"), expiresAt: inAnHour(), ...over };
}

/** Throws with the rule that was broken unless the two are deeply equal. */
export function same(actual: unknown, expected: unknown, rule: string): void {
  if (isDeepStrictEqual(actual, expected)) return;
  throw new AssertionError({
    message: `${rule}\n  expected: ${inspect(expected)}\n  got:      ${inspect(actual)}`,
    actual,
    expected,
    operator: "deepStrictEqual",
  });
}

/** Throws with the rule that was broken unless `condition` holds. */
export function that(condition: boolean, rule: string): asserts condition {
  if (!condition) throw new AssertionError({ message: rule, actual: false, expected: true, operator: "==" });
}

/** Throws unless the value has exactly these bytes. Says where they differ rather than print a mebibyte. */
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

/** Creates a session under a new key and gives key and version. */
export async function begin(store: SessionStore, over: Partial<SessionWrite> = {}, key = newKey()) {
  const version = await store.create(key, session(over));
  that(
    version !== "exists",
    `create(${JSON.stringify(key)}) answered "exists" for a key that is free. Only a live session occupies its key.`,
  );
  return { key, version: version as Version };
}

/** The session, which must be there. */
export async function present(store: SessionStore, key: string, rule: string): Promise<StoredSession> {
  const found = await store.read(key);
  that(found !== undefined, `${rule}\n  read gave undefined for a session that is alive.`);
  return found;
}

/** Throws unless every method agrees that there is no such session. */
export async function absent(store: SessionStore, key: string, rule: string): Promise<void> {
  const found = await store.read(key);
  that(found === undefined, `${rule}\n  read still gives ${inspect(found)}`);
}

/** Throws unless the session is exactly this one. */
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

/** All that `list` yields. */
export async function listed(store: SessionStore, owner?: string): Promise<SessionEntry[]> {
  const entries: SessionEntry[] = [];
  for await (const entry of store.list!(owner === undefined ? {} : { owner })) entries.push(entry);
  return entries;
}

/** The keys that `list` yields for an owner, in order, so that a repeated one shows. */
export async function keysOf(store: SessionStore, owner: string): Promise<string[]> {
  return (await listed(store, owner)).map(({ key }) => key).sort();
}

export function sleep(span: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, span));
}

/** Waits until an instant has certainly passed, also by a clock that is a little behind. */
export async function past(instant: number): Promise<void> {
  while (Date.now() < instant + 100) await sleep(instant + 100 - Date.now());
}

/** Tries until `probe` gives something, or throws with the rule after ten seconds. */
export async function eventually<Found>(rule: string, probe: () => Promise<Found | undefined> | Found | undefined) {
  for (const end = Date.now() + PATIENCE; ; await sleep(25)) {
    const found = await probe();
    if (found !== undefined) return found;
    that(Date.now() < end, `${rule}\n  waited ${PATIENCE / 1000} s for it.`);
  }
}

/**
 * For a step that must happen before a short-lived session ends: runs it with a life in milliseconds, and again with
 * a longer one if the machine was too slow to be in time (`attempt` then gives false).
 */
export async function inTime(attempt: (life: number) => Promise<boolean>): Promise<void> {
  for (let life = 500; ; life *= 4) if ((await attempt(life)) || life > 30_000) return;
}

export function times<Result>(count: number, each: (index: number) => Result): Result[] {
  return Array.from({ length: count }, (_, index) => each(index));
}

/** `count` handles, opened together. */
export function handles(kit: Kit, count: number): Promise<SessionStore[]> {
  return Promise.all(times(count, () => kit.open()));
}

/** Adds 1 to the number in the session, `count` times, as the core does it: read, compare-and-swap, again on conflict. */
export async function increment(store: SessionStore, key: string, count: number): Promise<void> {
  for (let done = 0; done < count; ) {
    const { value, version, expiresAt } = await present(store, key, "A session that nobody deletes must stay.");
    const answer = await store.update(key, { value: bytes(String(Number(text(value)) + 1)), expiresAt }, version);
    that(answer !== "gone", 'update answered "gone" for a session that is alive.');
    if (answer === "conflict") await sleep(Math.random() * 10);
    else done++;
  }
}
