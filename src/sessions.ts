// createSessions: puts an application's sessions together.

import { setTimeout as sleep } from "node:timers/promises";
import { CommitQueue } from "./commit/commit-queue.ts";
import { csrfTokens } from "./cookies/csrf-token.ts";
import type { CookieSource } from "./cookies/request-source.ts";
import { sessionCookie } from "./cookies/session-cookie.ts";
import { ticketSigner } from "./cookies/ticket.ts";
import { CoatcheckError } from "./errors.ts";
import { Events, type SessionEvents } from "./events.ts";
import { Connection } from "./live/connection.ts";
import { Watcher } from "./live/watcher.ts";
import { LeaseManager } from "./locking/lease-manager.ts";
import { changeStampOf } from "./management/change-stamp.ts";
import { type Health, healthOf } from "./management/health.ts";
import { keepInternals } from "./management/internals.ts";
import { type PolicyReport, policyReport } from "./management/policy-report.ts";
import { SessionRegistry } from "./management/session-registry.ts";
import { Sweeper } from "./management/sweeper.ts";
import { checkOptions, type SessionsOptions } from "./options.ts";
import { cipher } from "./records/cipher.ts";
import { compressing } from "./records/compression.ts";
import { ownerHasher } from "./records/owner-hash.ts";
import type { SessionRecord } from "./records/record.ts";
import { Opener, type OpenOptions } from "./request/opener.ts";
import { Renewals } from "./request/renewals.ts";
import { resilient } from "./resilience/resilient-store.ts";
import { StoreClock } from "./resilience/store-clock.ts";
import type { AdapterSession, FollowOptions, LiveSession, Session, SessionClient } from "./session.ts";
import { memory } from "./stores/memory/index.ts";
import { Takeover } from "./takeover/takeover.ts";
import { InFlight } from "./util/in-flight.ts";
import { MAX_TIMER_MS } from "./util/timers.ts";

/**
 * The keys of a session, for applications that declare them once:
 * `declare module "coatcheck" { interface SessionData { cart: string[] } }`.
 */
// biome-ignore lint/suspicious/noEmptyInterface: applications add to it
export interface SessionData {}

/** A session as `list` reports it. Instants are in milliseconds since 1970. */
export interface SessionInfo<Data extends object = SessionData> {
  id: string;
  owner?: string;
  createdAt?: number;
  /** When a request last used it: to a tenth of its idle timeout, or to an hour where that is long. */
  lastSeenAt?: number;
  /** When its owner was last authenticated. */
  authenticatedAt?: number;
  expiresAt: number;
  /** What the application keeps of its client. */
  client?: SessionClient;
  /** The session's keys, as they were when it was read. */
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
   * @throws StoreError or OptionError synchronously, where nothing is waited for.
   */
  openMaybeSync(source: CookieSource, options?: OpenOptions): AdapterSession<Data> | Promise<AdapterSession<Data>>;
  /** For adapters: true if the value is a session that these sessions have opened. */
  owns(value: unknown): value is AdapterSession<Data>;
  /**
   * Follows a session beyond its request, for a socket or a stream of events: shows it as it is now, and says when it ends,
   * whichever server ends it. Call `stop()` of the result when the connection closes.
   * @throws CoatcheckError if the session is not one of these.
   */
  follow(session: Session<Data>, options?: FollowOptions): LiveSession<Data>;
  /** Live sessions, all or one owner's. With encryption `"ticket"` they can't be opened: the data is empty. */
  list(query?: { owner?: string }): AsyncIterable<SessionInfo<Data>>;
  /** A live session by its public id, as `list` gives it. Undefined: there is none. */
  find(id: string): Promise<SessionInfo<Data> | undefined>;
  /**
   * Ends a session by its public id. True if this call ended it. With `owner`, another owner's session stays as it is: for
   * an id that comes from a form or a URL.
   * @throws OptionError if `owner` is given and is no id.
   */
  revoke(id: string, options?: { owner?: string }): Promise<boolean>;
  /** Ends every session of an owner: "log out everywhere". Returns their number. */
  revokeAll(owner: string): Promise<number>;
  /** Ends the other sessions of this one's owner: "log out my other devices". Returns their number. */
  revokeOthers(session: Session<Data>): Promise<number>;
  /**
   * Gives an owner another security stamp, and ends their sessions: after a new password. With a session instead of the owner's
   * id, it ends the owner's others; the session itself goes on under the new stamp. Returns the number of those that it ended.
   * @throws UnstorableValueError unless the stamp is a text of 1 to 1,024 bytes; CoatcheckError if the session has no owner.
   */
  stamp(owner: string | Session<Data>, stamp: string): Promise<number>;
  /** The number of live sessions. It walks through all of them. */
  count(): Promise<number>;
  /** Removes what has expired. Returns the number of sessions that this call removed. */
  sweep(): Promise<number>;
  /**
   * Whether the store can be used now, for a readiness probe. It takes one read, and `storeTimeout` at most. Never rejects
   * because of the store.
   */
  health(): Promise<Health>;
  /** What the policy asks (NIST SP 800-63B-4, OWASP ASVS 5.0), and what the application has: for a log, or an auditor. */
  policyReport(): PolicyReport;
  /** Listens to an event. Returns a function that stops it. */
  on<Name extends keyof SessionEvents>(name: Name, listener: (event: SessionEvents[Name]) => void): () => void;
  /**
   * Waits for commits and sweeps under way, at most `storeTimeout`, and closes the store. From then on `open` throws a
   * StoreError. Call it when the server takes no more requests.
   * @throws StoreError if the store did not close in time.
   */
  close(): Promise<void>;
}

/** @throws OptionError naming the option, its value and the fix. */
export function createSessions<Data extends object = SessionData>(options: SessionsOptions<Data> = {}): Sessions<Data> {
  const givenStore = options?.store ?? memory();
  const settings = checkOptions(options, givenStore);
  const events = new Events();
  const inFlight = new InFlight();
  const uniqueValues = settings.encryption !== "off";
  const cannotFail = givenStore.inProcess || givenStore.inCookie;
  const store = cannotFail
    ? givenStore
    : resilient(givenStore, { timeout: settings.storeTimeout, uniqueValues }, events);
  const ownerHashes = settings.secrets.map((secret) => ownerHasher(secret, settings.application));
  const clock = new StoreClock(store, events);
  const shared = {
    ...settings,
    rules: { ...settings.rules, now: () => clock.now() },
    store,
    events,
    inFlight,
    clock,
    sealsExpiry: uniqueValues,
    uniqueValues,
    countsRevisions: store.refresh !== undefined,
    signer: ticketSigner(settings.secrets, settings.application),
    cookie: sessionCookie(options.cookie),
    csrfTokens: csrfTokens(settings.secrets, settings.application),
    ownerCipher: cipher(
      settings.encryption === "off" ? "off" : "server",
      settings.secrets,
      settings.application,
      settings.cipherName,
    ),
    cipher: compressing(
      cipher(settings.encryption, settings.secrets, settings.application, settings.cipherName),
      options.compress,
      settings.maxSize,
    ),
    commits: new CommitQueue(inFlight),
    hashOwner: ownerHashes[0]!,
    ownerHashes,
    endCopy: settings.legacy.length === 0 ? undefined : (record: SessionRecord) => takeover!.endCopy(record),
  };
  const leases = new LeaseManager(shared, settings.leaseLimits);
  const context = { ...shared, leases, renewals: new Renewals(settings.idleTimeout), onceCalls: new Map() };
  const takeover =
    settings.legacy.length === 0 ? undefined : new Takeover(context, settings.legacy, options.cookie ?? {});
  const opener = new Opener(context, settings, takeover);
  const registry = new SessionRegistry(shared);
  const sweeper = new Sweeper(shared, settings.sweepInterval);
  const watcher = new Watcher(shared);
  const closers = new Set<() => Promise<void>>();
  let closing: Promise<void> | undefined;

  async function close(): Promise<void> {
    sweeper.stop();
    const unwatched = watcher.close();
    const left = Promise.all(Array.from(closers, (leave) => leave()));
    // Requests under way may commit, but a store that hangs is not waited for longer than this.
    const limit = Math.min(settings.storeTimeout, MAX_TIMER_MS);
    const finished = Promise.all([inFlight.idle().then(() => leases.close()), unwatched, left]);
    try {
      await Promise.race([finished, sleep(limit, undefined, { ref: false })]);
    } finally {
      await store.close();
    }
  }

  const openMaybeSync = (source: CookieSource, options?: OpenOptions) =>
    opener.open(source, options) as unknown as AdapterSession<Data> | Promise<AdapterSession<Data>>;

  const sessions: Sessions<Data> = {
    open: async (source, options) => openMaybeSync(source, options),
    openMaybeSync,
    owns: (value): value is AdapterSession<Data> => opener.owns(value),
    follow(session, options = {}) {
      if (!opener.owns(session)) {
        throw new CoatcheckError(
          "COATCHECK_PROPERTY",
          "coatcheck: follow() needs a session that these sessions have opened.",
        );
      }
      return new Connection(watcher, session, options) as unknown as LiveSession<Data>;
    },
    list: (query) => registry.list(query) as AsyncIterable<SessionInfo<Data>>,
    find: (id) => registry.find(id) as Promise<SessionInfo<Data> | undefined>,
    revoke: (id, options) => registry.revoke(id, options),
    revokeAll: (owner) => registry.revokeAll(owner),
    revokeOthers: (session) => registry.revokeOthers(session),
    stamp: (owner, stamp) => changeStampOf(shared, opener, owner, stamp),
    count: () => registry.count(),
    sweep: () => sweeper.sweep(),
    health: () => healthOf(store),
    policyReport: () => policyReport({ ...settings, store: givenStore, cookie: shared.cookie }),
    on: (name, listener) => events.on(name, listener),

    close() {
      opener.close();
      closing ??= close();
      return closing;
    },
  };
  keepInternals(sessions, { ...shared, closers });
  return sessions;
}
