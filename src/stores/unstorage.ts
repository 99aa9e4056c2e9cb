import { type Duration, milliseconds } from "../duration.ts";
import { OptionError } from "../errors.ts";
import { safeName } from "./safe-name.ts";
import { type LastWriterWins, onShelf } from "./shelf.ts";

/** What this file uses of `Storage` of unstorage. */
export interface UnstorageLike {
  getItem(key: string): Promise<unknown>;
  setItem(key: string, value: never, options: { ttl?: number }): Promise<void>;
  removeItem(key: string): Promise<void>;
  getKeys(base: string): Promise<string[]>;
}

export interface FromUnstorageOptions {
  /** What the keys begin with, before a colon. Default: `"sessions"`. */
  base?: string;
  /** The most time for one call of the driver. Default: 5 seconds. */
  timeout?: Duration;
}

/** Drivers that keep time with `setTimeout` forget at once what is to last longer. */
const MAX_TTL = 2_147_483;
const PARALLEL = 16;

/**
 * Lets a driver of unstorage keep coatcheck's sessions.
 *
 * Its interface can't compare and swap. In this process, calls for one session queue up, so nothing is lost; between
 * processes the last writer wins, a write can bring back a session that another process has just ended, and two sweeps
 * can be handed the same session. The store says so with `atomic: false`. `list` and `claimExpired` read every session.
 * Drivers that know a `ttl` get one. A driver that takes an outage for "not found" loses sessions in one.
 *
 * @param storage is used and never disposed.
 * @see https://unstorage.unjs.io
 * @throws OptionError if it is no such storage.
 */
export function fromUnstorage(storage: UnstorageLike, options: FromUnstorageOptions = {}): LastWriterWins {
  const { base = "sessions", timeout = "5s" } = options;
  for (const method of ["getItem", "setItem", "removeItem", "getKeys"] as const) {
    if (typeof storage?.[method] !== "function") {
      throw new OptionError(
        "storage",
        storage,
        `give what createStorage() of unstorage gave; this has no ${method}().`,
      );
    }
  }
  if (!/^[\w-]+(:[\w-]+)*$/.test(base)) {
    throw new OptionError("base", base, "give letters, digits, - and _, with colons between them.");
  }
  const nameOf = (key: string) => `${base}:${safeName(key)}`;
  let proven = false;

  return onShelf(
    {
      name: "unstorage's driver",
      keepsEnded: true,

      get: (key) => storage.getItem(nameOf(key)),

      async set(key, record) {
        const ttl = Math.max(Math.ceil((record.expiresAt - Date.now()) / 1000), 1);
        await storage.setItem(nameOf(key), record as never, ttl > MAX_TTL ? {} : { ttl });
        if (proven) return;
        // Some drivers only read, and say nothing when they are told to write.
        if (((await storage.getItem(nameOf(key))) ?? null) === null && record.expiresAt > Date.now() + 1_000) {
          throw new Error("what was written is not there. Is the driver read-only?");
        }
        proven = true;
      },

      remove: (key) => storage.removeItem(nameOf(key)),

      async *all() {
        const names = await storage.getKeys(base);
        for (let at = 0; at < names.length; at += PARALLEL) {
          yield await Promise.all(names.slice(at, at + PARALLEL).map((name) => storage.getItem(name)));
        }
      },

      async close() {},
    },
    storage,
    milliseconds("timeout", timeout),
  );
}
