// All sessions of an application: list, count and revoke them.

import { isKey } from "../cookies/ticket.ts";
import { CapabilityError, OptionError } from "../errors.ts";
import { endOwned, type OwnedContext } from "../owners/end-owned.ts";
import { endSession } from "../owners/end-session.ts";
import { type ClientTexts, clientOf } from "../records/client.ts";
import { endOf, isOver, lastSeenAt } from "../records/expiry.ts";
import type { SessionRecord } from "../records/record.ts";
import { openWithoutTicket } from "../records/record-store.ts";
import type { Lifetime } from "../records/terms.ts";
import type { StoreClock } from "../resilience/store-clock.ts";
import { type SessionStore, withOwner } from "../store.ts";
import { checkNames } from "../util/option-names.ts";

/** What the registry needs of the application. */
export interface RegistryContext extends OwnedContext {
  readonly clock: StoreClock;
}

/** A live session. */
export interface ListedSession {
  id: string;
  owner?: string;
  createdAt?: number;
  lastSeenAt?: number;
  authenticatedAt?: number;
  expiresAt: number;
  client?: ClientTexts;
  data: Record<string, unknown>;
}

// A session may get its owner while the owner's others are being revoked.
const MAX_REVOKE_ROUNDS = 10;
// A store takes this many deletes in nearly the time of one.
const REVOKED_TOGETHER = 64;
// A walk through all sessions lets requests in after this many. Where the store answers from this process, it would
// otherwise stand in their way for seconds.
const PAUSE_EVERY = 500;

export class SessionRegistry {
  readonly #context: RegistryContext;

  constructor(context: RegistryContext) {
    this.#context = context;
  }

  async *list(query: { owner?: string } = {}): AsyncGenerator<ListedSession> {
    checkNames("list()", query, { owner: true });
    const { owner } = query;
    // An id that is missing by mistake must not list the sessions of everybody.
    if ("owner" in query && owner === undefined) {
      throw new OptionError("owner", owner, "give the id of an owner, or leave the option out to list all sessions.");
    }
    await this.#context.clock.ready();
    const keys = owner === undefined ? this.#keys("list") : this.#keysOf("list", owner);
    for await (const key of keys) {
      const found = await this.#find(key, owner !== undefined);
      if (found !== undefined) yield found;
    }
  }

  async find(id: string): Promise<ListedSession | undefined> {
    if (!isKey(id)) return undefined;
    await this.#context.clock.ready();
    return this.#find(id, false);
  }

  /** A live session. One that can't be opened has no data; `mustOpen`: it is left out. */
  async #find(key: string, mustOpen: boolean): Promise<ListedSession | undefined> {
    const { store, clock } = this.#context;
    const stored = await store.read(key);
    const record = stored && openWithoutTicket(this.#context, key, stored);
    // The owner and the times that are sealed in the record decide: the store's own could be anybody's work.
    if (record === undefined || (record === "unreadable" && mustOpen)) return undefined;
    if (typeof record === "string") return { id: key, expiresAt: stored!.expiresAt, data: {} };
    const now = clock.now();
    if (isOver(this.#context, record, now)) return undefined;
    return listed(this.#context, key, record, stored!.expiresAt, now);
  }

  async count(): Promise<number> {
    let count = 0;
    for await (const _ of this.#keys("count")) count++;
    return count;
  }

  /** Ends a session. With an owner, only if it is theirs. */
  async revoke(id: string, options: { owner?: string } = {}): Promise<boolean> {
    checkNames("revoke()", options, { owner: true });
    if (!isKey(id)) return false;
    if (!("owner" in options)) return endSession(this.#context, id);
    const { owner } = options;
    // An id that is missing by mistake must not end anybody's session.
    if (typeof owner !== "string" || owner === "") {
      throw new OptionError("owner", owner, "give the id of the owner whose session it has to be.");
    }
    return endOwned(this.#context, id, owner);
  }

  revokeAll(owner: string): Promise<number> {
    return this.#revokeAllBut("revokeAll", owner);
  }

  async revokeOthers({ id, owner }: { id: string; owner: string | undefined }): Promise<number> {
    return owner === undefined ? 0 : this.#revokeAllBut("revokeOthers", owner, id);
  }

  async #revokeAllBut(call: string, owner: string, spared?: string): Promise<number> {
    let revoked = 0;
    let emptyRounds = 0;
    // A session that is regenerated during a round may be missed under both its keys, but not twice in a row.
    for (let round = 0; round < MAX_REVOKE_ROUNDS && emptyRounds < 2; round++) {
      emptyRounds++;
      let batch: string[] = [];
      for await (const key of this.#keysOf(call, owner)) {
        if (key === spared) continue;
        emptyRounds = 0;
        if (batch.push(key) < REVOKED_TOGETHER) continue;
        revoked += await this.#revokeEach(batch);
        batch = [];
      }
      revoked += await this.#revokeEach(batch);
    }
    return revoked;
  }

  async #revokeEach(keys: readonly string[]): Promise<number> {
    const answers = await Promise.all(keys.map((key) => this.revoke(key)));
    return answers.filter((isRevoked) => isRevoked).length;
  }

  /** Keys of all sessions. Other things of coatcheck that a store may hold are left out. */
  async *#keys(call: string): AsyncGenerator<string> {
    let passed = 0;
    for await (const { key } of this.#listOf(call)({})) {
      if (++passed % PAUSE_EVERY === 0) await new Promise(setImmediate); // requests go first
      if (isKey(key)) yield key;
    }
  }

  async *#keysOf(call: string, owner: string): AsyncGenerator<string> {
    const list = this.#listOf(call);
    for (const hash of this.#context.ownerHashes) for await (const { key } of list({ owner: hash(owner) })) yield key;
  }

  /** @throws CapabilityError if the store can't list. */
  #listOf(call: string): NonNullable<SessionStore["list"]> {
    const { store } = this.#context;
    if (store.list === undefined) throw new CapabilityError(`sessions.${call}()`, "list");
    return store.list.bind(store);
  }
}

function listed(limits: Lifetime, id: string, record: SessionRecord, storedUntil: number, now: number): ListedSession {
  const { createdAt, owner, sealedUntil = Infinity, terms } = record;
  const client = clientOf(record);
  return withOwner(
    {
      id,
      createdAt,
      lastSeenAt: lastSeenAt(limits, record, storedUntil),
      ...(terms?.authenticatedAt !== undefined && { authenticatedAt: terms.authenticatedAt }),
      expiresAt: Math.min(storedUntil, endOf(limits, createdAt, terms), sealedUntil),
      ...(client && { client }),
      data: record.data(now),
    },
    owner,
  );
}
