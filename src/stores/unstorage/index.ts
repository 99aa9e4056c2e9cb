// The unstorage store: keeps sessions in any driver of unstorage.

import { OptionError } from "../../errors.ts";
import { type Duration, milliseconds } from "../../util/duration.ts";
import { checkNames, type OptionNames } from "../../util/option-names.ts";
import { keyValueSessionStore, type LastWriterWins } from "../shared/key-value-store.ts";
import { safeName } from "../shared/safe-name.ts";

/** The methods of unstorage's `Storage` that are used. */
export interface UnstorageLike {
  getItem(key: string): Promise<unknown>;
  setItem(key: string, value: never, options: { ttl?: number }): Promise<void>;
  removeItem(key: string): Promise<void>;
  getKeys(base: string): Promise<string[]>;
}

export interface FromUnstorageOptions {
  /** The prefix of all keys, without the colon that follows it. Default: `"sessions"`. */
  base?: string;
  /** The time limit of one call of the driver. Default: 5 seconds. */
  timeout?: Duration;
}

const NAMES: OptionNames<FromUnstorageOptions> = { base: "string", timeout: true };

/** Seconds. Drivers that count a `ttl` with `setTimeout` would forget a longer one immediately. */
const MAX_TTL_S = 2_147_483;

/** How many sessions are read concurrently, by `list` and `claimExpired`. */
const CONCURRENT_READS = 16;

/**
 * Keeps sessions in a driver of unstorage.
 *
 * The interface of unstorage has no compare-and-swap. Within this process, calls for one session queue up, so no update is
 * lost. Between processes the last writer wins, a write can bring back a session that another process has just ended, and
 * two sweeps can claim the same session. The store has `atomic: false` for that reason.
 *
 * `list` and `claimExpired` read every session. Drivers with a `ttl` get the session's. A driver that answers "not found"
 * while its database is down loses sessions.
 *
 * @param storage is used and never disposed.
 * @see https://unstorage.unjs.io
 * @throws OptionError if `storage` lacks a method, or an option is wrong.
 */
export function fromUnstorage(storage: UnstorageLike, options: FromUnstorageOptions = {}): LastWriterWins {
  checkNames("fromUnstorage()", options, NAMES);
  const { base = "sessions", timeout = "5s" } = options;
  for (const method of ["getItem", "setItem", "removeItem", "getKeys"] as const) {
    if (typeof storage?.[method] !== "function") {
      throw new OptionError(
        "storage",
        storage,
        `it has no ${method}(): give what createStorage() of unstorage returned.`,
      );
    }
  }
  if (!/^[\w-]+(:[\w-]+)*$/.test(base)) {
    throw new OptionError("base", base, "give letters, digits, - and _, with colons between them.");
  }
  const nameOf = (key: string) => `${base}:${safeName(key)}`;
  let hasWritten = false;

  return keyValueSessionStore(
    {
      name: "unstorage's driver",
      keepsExpired: true,

      get: (key) => storage.getItem(nameOf(key)),

      async set(key, record) {
        const ttl = Math.max(Math.ceil((record.expiresAt - Date.now()) / 1000), 1);
        await storage.setItem(nameOf(key), record as never, ttl > MAX_TTL_S ? {} : { ttl });
        if (hasWritten) return;
        // A read-only driver ignores a write without an error, so the first one is read back.
        if (((await storage.getItem(nameOf(key))) ?? null) === null && record.expiresAt > Date.now() + 1_000) {
          throw new Error("the session is missing directly after the write. Use a driver that is not read-only.");
        }
        hasWritten = true;
      },

      remove: (key) => storage.removeItem(nameOf(key)),

      async *all() {
        const names = await storage.getKeys(base);
        for (let start = 0; start < names.length; start += CONCURRENT_READS) {
          yield await Promise.all(names.slice(start, start + CONCURRENT_READS).map((name) => storage.getItem(name)));
        }
      },

      async close() {},
    },
    storage,
    milliseconds("timeout", timeout),
  );
}
