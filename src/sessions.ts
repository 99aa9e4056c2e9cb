import { setTimeout as sleep } from "node:timers/promises";
import { cipher } from "./cipher.ts";
import { CommitQueue } from "./commits.ts";
import { compressing } from "./compression.ts";
import type { SessionContext } from "./context.ts";
import { cookieJar } from "./cookie.ts";
import type { CookieSource } from "./cookie-source.ts";
import { LONGEST_TIMER } from "./deadlines.ts";
import { CapabilityError } from "./errors.ts";
import { Events, type SessionEvents } from "./events.ts";
import { guarded } from "./guard.ts";
import { Leases } from "./lease.ts";
import { Opener, type OpenOptions } from "./opener.ts";
import { checkOptions, type SessionsOptions } from "./options.ts";
import { ownerNames } from "./owner.ts";
import { SessionRecord } from "./record.ts";
import type { Session } from "./session.ts";
import type { SessionStore } from "./store.ts";
import { memory } from "./stores/memory.ts";
import { isKey, ticketOffice } from "./ticket.ts";

/**
 * The keys of a session, for applications that declare them once:
 * `declare module "coatcheck" { interface SessionData { cart: string[] } }`.
 */
// biome-ignore lint/suspicious/noEmptyInterface: applications add to it
export interface SessionData {}

/** A session as `list` reports it. */
export interface SessionInfo<Data extends object = SessionData> {
  id: string;
  owner?: string;
  createdAt?: number;
  expiresAt: number;
  /** What is in it, as it was just now. */
  data: Readonly<Partial<Data>>;
}

/** All sessions of one application. */
export interface Sessions<Data extends object = SessionData> {
  /**
   * The session of a request: the one its cookie names, or a new one, which is stored once something is written to it.
   * @throws StoreError if the store is down, unless `onStoreError` is `"anonymous"`.
   */
  open(source: CookieSource, options?: OpenOptions): Promise<Session<Data>>;
  /**
   * The same for adapters: without a promise, unless the store has to be waited for or something is unusual.
   * @throws StoreError or OptionError at once, where nothing is waited for.
   */
  openAtOnce(source: CookieSource, options?: OpenOptions): Session<Data> | Promise<Session<Data>>;
  /** Live sessions, all or one owner's. With encryption `"ticket"` they can't be opened: the data is empty. */
  list(query?: { owner?: string }): AsyncIterable<SessionInfo<Data>>;
  /** Ends a session by its public id. True if it was there. */
  revoke(id: string): Promise<boolean>;
  /** Ends every session of an owner: "log out everywhere". Gives their number. */
  revokeAll(owner: string): Promise<number>;
  /** Ends every session of this one's owner but this one: "log out my other devices". Gives their number. */
  revokeOthers(session: Session<Data>): Promise<number>;
  /** The number of live sessions. Walks through all of them. */
  count(): Promise<number>;
  /** Removes what has expired. Gives the number that this call removed. */
  sweep(): Promise<number>;
  /** Listens to an event. Returns a function that stops it. */
  on<Name extends keyof SessionEvents>(name: Name, listener: (event: SessionEvents[Name]) => void): () => void;
  /**
   * Waits for commits and sweeps under way, up to `storeTimeout`, and closes the store. From then on `open` throws a
   * StoreError. Call it once the server takes no more requests.
   * @throws StoreError if the store did not close in time.
   */
  close(): Promise<void>;
}

const SWEEP_BATCH = 500;
// A session may come under an owner while its others are being ended.
const REVOKE_ROUNDS = 10;

/** @throws OptionError naming the option, its value and the fix. */
export function createSessions<Data extends object = SessionData>(options: SessionsOptions<Data> = {}): Sessions<Data> {
  const bareStore = options.store ?? memory();
  const settings = checkOptions(options, bareStore);
  const events = new Events();
  const uniqueValues = settings.encryption !== "off";
  const needsNoGuard = bareStore.inProcess || bareStore.inCookie;
  const store = needsNoGuard ? bareStore : guarded(bareStore, { timeout: settings.storeTimeout, uniqueValues }, events);
  const office = ticketOffice(settings.secrets);
  const jar = cookieJar(options.cookie);
  const seal = compressing(cipher(settings.encryption, settings.secrets), options.compress, settings.maxSize);
  const commits = new CommitQueue();
  const [ownerName, ...formerOwnerNames] = settings.secrets.map(ownerNames);
  const shared = {
    ...settings,
    store,
    uniqueValues,
    countsRevisions: store.refresh !== undefined,
    office,
    jar,
    events,
    commits,
    cipher: seal,
    ownerName: ownerName!,
  };
  const context: SessionContext = { ...shared, leases: new Leases(shared, settings.leaseLimits) };
  const opener = new Opener(context, settings);
  const stopSweeping = sweepRegularly();
  let closing: Promise<void> | undefined;

  /** A record whose ticket is not at hand, or undefined if it can't be opened without. */
  function openWithoutTicket(key: string, value: Uint8Array): SessionRecord | undefined {
    if (!seal.canOpen({ key })) return undefined;
    try {
      return SessionRecord.read(seal.open(value, { key }));
    } catch (error) {
      events.emit("unreadable", { id: key, error });
      return undefined;
    }
  }

  function need<Ability extends "list" | "claimExpired">(call: string, ability: Ability) {
    const method = store[ability];
    if (method === undefined) throw new CapabilityError(`sessions.${call}()`, ability);
    return method as NonNullable<SessionStore[Ability]>;
  }

  async function* keysOf(call: string, owner: string): AsyncGenerator<string> {
    for (const nameOf of [ownerName!, ...formerOwnerNames]) {
      for await (const { key } of need(call, "list")({ owner: nameOf(owner) })) yield key;
    }
  }

  async function* list({ owner }: { owner?: string } = {}): AsyncGenerator<SessionInfo<Data>> {
    const keys = owner === undefined ? entryKeys(need("list", "list")({})) : keysOf("list", owner);
    for await (const key of keys) {
      const stored = await store.read(key);
      const record = stored && openWithoutTicket(key, stored.value);
      if (stored === undefined) continue;
      const expiresAt = Math.min(stored.expiresAt, (record?.createdAt ?? Infinity) + settings.absoluteTimeout);
      if (expiresAt <= Date.now()) continue;
      yield {
        id: key,
        expiresAt,
        data: (record?.data() ?? {}) as Partial<Data>,
        ...(record !== undefined && { createdAt: record.createdAt }),
        ...(record?.owner !== undefined && { owner: record.owner }),
      };
    }
  }

  async function revoke(id: string): Promise<boolean> {
    if (!isKey(id)) return false;
    // What was in it is for those who listen.
    const stored = events.hears("end") ? await store.read(id) : undefined;
    if (!(await store.delete(id))) return false;
    events.ended(id, "revoked", stored && openWithoutTicket(id, stored.value));
    return true;
  }

  async function revokeAllBut(call: string, owner: string, spared?: string): Promise<number> {
    let revoked = 0;
    let emptyRounds = 0;
    // A session that is regenerated while a round passes may be missed under both its keys, but not twice in a row.
    for (let round = 0; round < REVOKE_ROUNDS && emptyRounds < 2; round++) {
      emptyRounds++;
      for await (const key of keysOf(call, owner)) {
        if (key === spared) continue;
        emptyRounds = 0;
        if (await revoke(key)) revoked++;
      }
    }
    return revoked;
  }

  async function sweep(): Promise<number> {
    const claimExpired = need("sweep", "claimExpired");
    let total = 0;
    for (;;) {
      const claimed = await claimExpired(Date.now(), SWEEP_BATCH);
      const sessions = claimed.filter(({ key }) => isKey(key));
      if (events.hears("end")) {
        for (const { key, value } of sessions) events.ended(key, "expired", openWithoutTicket(key, value));
      }
      total += sessions.length;
      if (claimed.length < SWEEP_BATCH || closing !== undefined) return total;
      await new Promise(setImmediate); // requests go first
    }
  }

  /** Every server sweeps; their clocks are kept apart by chance, so that they do not all do it at once. */
  function sweepRegularly(): () => void {
    const { sweepInterval } = settings;
    if (sweepInterval === undefined || store.claimExpired === undefined) return () => {};
    let timer: NodeJS.Timeout;
    let stopped = false;
    const next = () => {
      if (stopped) return;
      const pause = sweepInterval * (0.75 + Math.random() / 2);
      timer = setTimeout(run, Math.min(pause, LONGEST_TIMER)).unref();
    };
    // A failure is reported by the guard, and the next round tries again.
    const run = () => void commits.track(sweep()).then(next, next);
    next();
    return () => {
      stopped = true;
      clearTimeout(timer);
    };
  }

  async function close(): Promise<void> {
    stopSweeping();
    // Requests that are under way may commit, as long as there are some, but a store that hangs is not waited for.
    const patience = Math.min(settings.storeTimeout, LONGEST_TIMER);
    const finished = commits.idle().then(() => context.leases.close());
    try {
      await Promise.race([finished, sleep(patience, undefined, { ref: false })]);
    } finally {
      await store.close();
    }
  }

  const openAtOnce = (source: CookieSource, options?: OpenOptions) =>
    opener.open(source, options) as unknown as Session<Data> | Promise<Session<Data>>;

  return {
    open: async (source, options) => openAtOnce(source, options),
    openAtOnce,
    list,
    revoke,
    revokeAll: (owner) => revokeAllBut("revokeAll", owner),

    async revokeOthers({ id, owner }) {
      return owner === undefined ? 0 : revokeAllBut("revokeOthers", owner, id);
    },

    async count() {
      let count = 0;
      for await (const _ of entryKeys(need("count", "list")({}))) count++;
      return count;
    },

    sweep: () => commits.track(sweep()),
    on: (name, listener) => events.on(name, listener),

    close() {
      opener.close();
      closing ??= close();
      return closing;
    },
  };
}

/** Of sessions only; see replaced.ts for what else there is. */
async function* entryKeys(entries: AsyncIterable<{ key: string }>): AsyncGenerator<string> {
  for await (const { key } of entries) if (isKey(key)) yield key;
}
