// What the store keeps of an owner beside their sessions: who is logged in, and the security stamp.

import { hash, randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { CommitQueue } from "../commit/commit-queue.ts";
import { ConflictError, StoreError } from "../errors.ts";
import type { Cipher } from "../records/cipher.ts";
import { openWithoutTicket } from "../records/record-store.ts";
import type { StoreClock } from "../resilience/store-clock.ts";
import { readFresh, type SessionStore, type Version } from "../store.ts";
import { ownerKey } from "../util/side-records.ts";
import type { EndContext } from "./end-session.ts";
import type { MaxPerOwner } from "./limit.ts";
import { listedIds } from "./listed-sessions.ts";

/** What the functions of this folder need of the application. */
export interface OwnerContext extends EndContext {
  readonly clock: StoreClock;
  /** The logins of one owner follow each other inside a process. Others compete in the store. */
  readonly commits: CommitQueue;
  readonly maxPerOwner: Required<MaxPerOwner> | undefined;
  /** Opens records without a ticket. */
  readonly ownerCipher: Cipher;
  /** The names under which the store files an owner, one for each secret. */
  readonly ownerHashes: readonly ((owner: string) => string)[];
}

/** One session of the owner. */
export interface Admission {
  /** Its public id, which is its key in the store. */
  readonly id: string;
  /** Its id before the last `regenerate`. */
  readonly was?: string;
  /** When the owner logged in. */
  readonly since: number;
  /** When it was admitted under this id. Once it is stored, `SETTLED`. */
  readonly at: number;
  /** True if it was admitted with the present stamp. */
  readonly isStamped?: true;
}

/** In place of the instant at which a session was admitted, once it is stored. */
export const SETTLED = 0;

export interface OwnerState {
  readonly salt: string;
  /** The present stamp, hashed. */
  readonly stamp?: string;
  /** The stamps before it, the last one first: a login that was under way with one of them is too late. */
  readonly former: readonly string[];
  /** Until then a login with an unknown stamp is refused, since it may be the one before the first that is known here. */
  readonly knownOnlyUntil?: number;
  readonly admissions: readonly Admission[];
}

/** The owner's record in the store. */
interface FoundOwner {
  readonly key: string;
  readonly version: Version;
  readonly state: OwnerState;
  /** The version of another record, which is under the present secret's key and does not count. */
  readonly leftover: Version | undefined;
}

// Each attempt that fails is another server's that has succeeded.
const MAX_ATTEMPTS = 100;
const MAX_BACKOFF_MS = 50;
// Browsers keep no cookie for longer. Each login starts the time again.
const KEPT_MS = 400 * 24 * 3_600_000;

/**
 * Replaces the owner's state by compare-and-swap, until no other server is first. Of an owner who is not known yet it
 * knows the sessions that the store lists. `change` may run several times; undefined: the state stays.
 * @throws ConflictError, StoreError, and what `change` throws
 */
export async function updateOwner(
  context: OwnerContext,
  owner: string,
  change: (state: OwnerState) => OwnerState | undefined | Promise<OwnerState | undefined>,
): Promise<void> {
  const keys = context.ownerHashes.map((hashOwner) => ownerKey(hashOwner(owner)));
  await context.commits.run(keys[0]!, async () => {
    await context.clock.ready();
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const found = await readOwner(context, keys);
      const state = found?.state ?? { salt: newSalt(), former: [], admissions: await listedAdmissions(context, owner) };
      const next = await change(state);
      if (next === undefined || (await writeOwner(context, keys, found, next))) return undefined;
      await sleep(Math.random() * Math.min(2 ** attempt, MAX_BACKOFF_MS));
    }
    throw new ConflictError("the list of an owner's sessions", MAX_ATTEMPTS);
  });
}

/** The ids of the sessions that are admitted now, or were before their last `regenerate`. */
export async function admittedIds(context: OwnerContext, owner: string): Promise<ReadonlySet<string>> {
  const found = await readOwner(
    context,
    context.ownerHashes.map((hashOwner) => ownerKey(hashOwner(owner))),
  );
  return new Set(found?.state.admissions.flatMap(({ id, was }) => (was === undefined ? [id] : [id, was])));
}

/** A stamp as it is kept. The salt is the record's own, so that the record does not tell the stamp. */
export function stampHash({ salt }: OwnerState, stamp: string): string {
  return hash("sha256", salt + stamp, "base64url").slice(0, 22);
}

function newSalt(): string {
  return randomBytes(9).toString("base64url");
}

/**
 * With several secrets an owner's record is under the key of one of them. While it is moved to another there may be two:
 * on all servers, whichever secret is their first, the one with the smaller key counts.
 */
async function readOwner(
  { store, ownerCipher, events }: OwnerContext,
  keys: readonly string[],
): Promise<FoundOwner | undefined> {
  const stored = await Promise.all(keys.map(async (key) => ({ key, found: await readFresh(store, key) })));
  const [first] = stored.filter(({ found }) => found !== undefined).sort((a, b) => (a.key < b.key ? -1 : 1));
  if (first === undefined) return undefined;
  const { key, found } = first;
  const { value, version } = found!;
  try {
    const opened = ownerCipher.open(value, { key });
    const state = JSON.parse(Buffer.from(opened).toString()) as OwnerState;
    return { key, version, state, leftover: key === keys[0] ? undefined : stored[0]!.found?.version };
  } catch (error) {
    // An attack or a fault. Without the record a former stamp would be good again: the login fails.
    events.emit("unreadable", { id: key, error });
    throw new StoreError(
      `coatcheck: the owner's record can't be opened. Delete ${key} from the store to begin again.`,
      error,
    );
  }
}

/** False: another server was first. */
async function writeOwner(
  { store, ownerCipher, clock }: OwnerContext,
  keys: readonly string[],
  former: FoundOwner | undefined,
  state: OwnerState,
): Promise<boolean> {
  const home = keys[0]!;
  const value = ownerCipher.seal(Buffer.from(JSON.stringify(state)), { key: home });
  const write = { value, expiresAt: clock.now() + KEPT_MS };
  const replaced = former?.key === home ? former.version : former?.leftover;
  const answer = await (replaced === undefined ? store.create(home, write) : store.update(home, write, replaced));
  if (answer === "exists" || answer === "conflict" || answer === "gone") return false;
  if (keys.length === 1 || former?.key === home) return true;
  const isOnly = former === undefined ? await isNowhere(store, keys.slice(1)) : await store.delete(former.key, former.version); // biome-ignore format: one line
  // Another server wrote under another secret's key.
  if (!isOnly) await store.delete(home, answer);
  return isOnly;
}

async function isNowhere(store: SessionStore, keys: readonly string[]): Promise<boolean> {
  const found = await Promise.all(keys.map((key) => readFresh(store, key)));
  return found.every((stored) => stored === undefined);
}

async function listedAdmissions(context: OwnerContext, owner: string): Promise<Admission[]> {
  const ids = await listedIds(context, owner);
  return Promise.all(ids.map(async (id) => ({ id, since: await loggedInAt(context, id), at: SETTLED })));
}

/** A session that can't be opened without its ticket does not tell: it counts as the oldest. */
async function loggedInAt(context: OwnerContext, id: string): Promise<number> {
  const stored = await context.store.read(id);
  const record = stored && openWithoutTicket(context, id, stored);
  return typeof record === "object" ? (record.terms?.authenticatedAt ?? record.createdAt) : 0;
}
