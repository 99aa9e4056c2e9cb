// A driver for Astro's own sessions over a store of coatcheck. Astro writes whole sessions: the driver finds what changed.

import { hash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { parse, stringify } from "devalue";
import { Description } from "../../errors.ts";
import { ConflictError, type Duration, OptionError, type SessionStore } from "../../index.ts";
import { type Cipher, cipher } from "../../records/cipher.ts";
import { milliseconds } from "../../util/duration.ts";
import { checkNames, type OptionNames } from "../../util/option-names.ts";

export interface SessionDriverOptions {
  /** Where sessions are kept, apart from those of `createSessions`: it needs a table or a prefix of its own. */
  store: SessionStore;
  /**
   * What records are sealed with: at least 32 characters that nobody can guess. An array rotates secrets: the first one
   * seals, all of them open. It may be left out only with an in-process store.
   */
  secret?: string | readonly string[];
  /** A session ends when no request reads or writes it for this long. Default: `"30d"`. */
  idleTimeout?: Duration;
}

/** What Astro asks of the driver of its sessions. */
export interface SessionDriver {
  getItem(id: string): Promise<string | null>;
  setItem(id: string, value: string): Promise<void>;
  removeItem(id: string): Promise<void>;
}

/** A value as Astro keeps it. Astro gives the whole entry back, unless the request has set the value. */
interface Entry {
  data: unknown;
  /** In milliseconds since 1970. */
  expires?: number;
  /** In the store: the revision in which the key was added. */
  since?: number;
  /** In Astro's hands: of which session and revision the entry is. */
  seen?: string;
}

type Entries = Map<string, Entry>;

interface State {
  revision: number;
  /** Undefined: the session has ended. */
  entries: Entries | undefined;
}

const NAMES: OptionNames<SessionDriverOptions> = { store: true, secret: true, idleTimeout: true };
const MIN_SECRET = 32;
const MAKE_ONE = `give at least ${MIN_SECRET} characters that nobody can guess.`;
const MAX_ATTEMPTS = 30;
const MAX_BACKOFF_MS = 50;
// Longer than any request: one that writes later than the session ends must not bring it back.
const ENDED_FOR_MS = 10 * 60_000;
const SWEEP_EVERY_MS = 30_000;
const SWEEP_AT_ONCE = 100;

/**
 * A driver for Astro's own sessions, `Astro.session`, over any store of coatcheck. It seals the sessions, and keeps their ids
 * out of the store. What two requests change at the same time is merged key by key; a key that both change has the
 * later value. Where a request has set or deleted every key, its state takes the place of the other's. A session that
 * has ended stays ended.
 *
 * The default export of a file such as `src/session-driver.ts`:
 * ```ts
 * export default sessionDriver({ store: redis({ url, prefix: "astro:" }), secret });
 * ```
 * which `astro.config.mjs` names:
 * ```js
 * session: { driver: { entrypoint: new URL("./src/session-driver.ts", import.meta.url) } }
 * ```
 *
 * @throws OptionError if an option is wrong.
 */
export function sessionDriver(options: SessionDriverOptions): () => SessionDriver {
  checkNames("sessionDriver()", options, NAMES);
  const { store } = options;
  const idleTimeout = milliseconds("idleTimeout", options.idleTimeout ?? "30d");
  const seal = cipherOf(options);
  let sweptAt = Date.now();

  const opened = (key: string, value: Uint8Array): State => {
    const { revision, text } = JSON.parse(Buffer.from(seal.open(value, { key })).toString());
    return { revision, entries: text === undefined ? undefined : entriesOf(text) };
  };

  /** Replaces a session's state by what `change` makes of it; undefined: it stays as it is. */
  async function replace(key: string, change: (current: State | undefined) => State | undefined): Promise<void> {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      if (attempt > 2) await sleep(Math.random() * Math.min(2 ** attempt, MAX_BACKOFF_MS));
      const stored = await (store.refresh ?? store.read).call(store, key);
      const next = change(stored && opened(key, stored.value));
      if (next === undefined) return;
      const { revision, entries } = next;
      const record = JSON.stringify({ revision, text: entries && textOf(entries) });
      const expiresAt = Date.now() + (entries ? idleTimeout : ENDED_FOR_MS);
      const write = { value: seal.seal(Buffer.from(record), { key }), expiresAt };
      const version = stored ? await store.update(key, write, stored.version) : await store.create(key, write);
      if (version !== "conflict" && version !== "gone" && version !== "exists") return;
    }
    throw new ConflictError(key, MAX_ATTEMPTS);
  }

  /** Stores that do not remove what has expired have it removed with some of the writes. */
  async function sweep(): Promise<void> {
    if (Date.now() - sweptAt < SWEEP_EVERY_MS) return;
    sweptAt = Date.now();
    const now = (await store.time?.()) ?? sweptAt;
    await store.claimExpired?.(now, SWEEP_AT_ONCE);
  }

  return () => ({
    async getItem(id) {
      const key = keyOf(id);
      const stored = await store.read(key);
      if (stored === undefined) return null;
      const { revision, entries } = opened(key, stored.value);
      if (entries === undefined) return null;
      const touchUntil = Date.now() + idleTimeout;
      const isDue = stored.expiresAt < touchUntil - idleTimeout / 20;
      if (isDue && !(await store.touch(key, touchUntil))) return null;
      const seen = mark(key, revision);
      return textOf(new Map([...entries].map(([name, { since: _, ...entry }]) => [name, { ...entry, seen }])));
    },
    async setItem(id, value) {
      const key = keyOf(id);
      const { written, base } = readWrite(key, value);
      await replace(key, (current) => merged(written, base, current));
      sweep().catch(() => {}); // the next one may succeed
    },
    async removeItem(id) {
      await replace(keyOf(id), (current) => current && { revision: current.revision, entries: undefined });
    },
  });
}

/** What is stored after a write: changes of others since its base stay. Undefined: the session has ended. */
function merged(written: Entries, base: number | undefined, current: State | undefined): State | undefined {
  if (current === undefined ? base !== undefined : current.entries === undefined) return undefined;
  const revision = (current?.revision ?? 0) + 1;
  const others = current?.entries ?? new Map<string, Entry>();
  const entries: Entries = new Map();
  for (const [name, { seen, ...entry }] of written) {
    const theirs = others.get(name);
    // What this request has not set is as the others have left it.
    if (seen === undefined || current === undefined) entries.set(name, { ...entry, since: theirs?.since ?? revision });
    else if (theirs !== undefined) entries.set(name, theirs);
  }
  for (const [name, theirs] of others) {
    if (base !== undefined && !written.has(name) && theirs.since! > base) entries.set(name, theirs);
  }
  return { revision, entries };
}

/** What a request writes, and the revision that it has read. Undefined: it has read none, or nothing of it is left. */
function readWrite(key: string, value: string): { written: Entries; base: number | undefined } {
  const written = entriesOf(value);
  const own = mark(key, "");
  let base: number | undefined;
  for (const entry of written.values()) {
    if (entry.seen?.startsWith(own)) base = Number(entry.seen.slice(own.length));
    else delete entry.seen; // after `regenerate` the entries of the old session come with the new id
  }
  return { written, base };
}

function mark(key: string, revision: number | ""): string {
  return `${key.slice(0, 8)}:${revision}`;
}

/** Astro's ids are random, and as long as a key is: a plain hash hides them. */
function keyOf(id: string): string {
  return hash("sha256", `coatcheck astro v1 ${id}`, "base64url").slice(0, 24);
}

// Astro keeps addresses, too, beside what devalue knows.
function entriesOf(text: string): Entries {
  return parse(text, { URL: (href: string) => new URL(href) }) as Entries;
}

function textOf(entries: Entries): string {
  return stringify(entries, { URL: (value: unknown) => value instanceof URL && value.href });
}

function cipherOf({ store, secret = [] }: SessionDriverOptions): Cipher {
  if (typeof store?.read !== "function") {
    throw new OptionError("store", store, 'give a store, such as redis({ url, prefix: "astro:" }).');
  }
  const secrets = [secret].flat();
  if (secrets.length === 0 && store.inProcess) return cipher("off", []);
  const isGood = secrets.length > 0 && secrets.every((one) => typeof one === "string" && one.length >= MIN_SECRET);
  if (!isGood)
    throw new OptionError("secret", new Description(secrets.length === 0 ? "missing" : "too short"), MAKE_ONE);
  return cipher("server", secrets, "astro");
}
