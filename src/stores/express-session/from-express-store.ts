// Keeps coatcheck's sessions in a store that was written for express-session.

import { OptionError } from "../../errors.ts";
import { type Duration, milliseconds } from "../../util/duration.ts";
import { checkNames, type OptionNames } from "../../util/option-names.ts";
import { keyValueSessionStore, type LastWriterWins } from "../shared/key-value-store.ts";
import { safeName } from "../shared/safe-name.ts";

/** The methods of an express-session store that are used. */
export interface ExpressStoreLike {
  get(sid: string, callback: (error?: unknown, session?: object | null) => void): unknown;
  set(sid: string, session: object, callback: (error?: unknown) => void): unknown;
  destroy(sid: string, callback: (error?: unknown) => void): unknown;
  all?(callback: (error?: unknown, sessions?: object[] | Record<string, object> | null) => void): unknown;
}

export interface FromExpressStoreOptions {
  /** The time limit of one call of the express-session store. Default: 5 seconds. */
  timeout?: Duration;
}

const NAMES: OptionNames<FromExpressStoreOptions> = { timeout: true };

/**
 * Keeps coatcheck's sessions in a store that was written for express-session.
 *
 * Such stores have no compare-and-swap. Within this process, calls for one session queue up, so no update is lost. Between
 * processes the last writer wins, and a write can bring back a session that another process has just ended. The store has
 * `atomic: false` for that reason.
 *
 * `list` is there if the express-session store has `all`, and then reads every session. There is no `claimExpired`: the
 * express-session store itself removes expired sessions, by the expiry of the cookie in each.
 *
 * @param store is used and never closed.
 * @throws OptionError if `store` lacks a method, or an option is wrong.
 */
export function fromExpressStore(store: ExpressStoreLike, options: FromExpressStoreOptions = {}): LastWriterWins {
  checkNames("fromExpressStore()", options, NAMES);
  for (const method of ["get", "set", "destroy"] as const) {
    if (typeof store?.[method] !== "function") {
      throw new OptionError("store", store, `it has no ${method}(): give a store for express-session.`);
    }
  }
  return keyValueSessionStore(
    {
      name: store.constructor?.name ?? "the express-session store",

      async get(key) {
        const session = await promisify((done) => store.get(safeName(key), done)).catch(undefinedIfMissing);
        if (session === undefined || session === null) return undefined;
        return (session as Envelope).coatcheck ?? session;
      },

      async set(key, record) {
        const envelope: Envelope = { cookie: cookieUntil(record.expiresAt), coatcheck: record };
        await promisify((done) => store.set(safeName(key), envelope, done));
      },

      async remove(key) {
        await promisify((done) => store.destroy(safeName(key), done));
      },

      ...(store.all && {
        async *all() {
          const sessions = await promisify<object[] | Record<string, object> | null>((done) => store.all!(done));
          yield Object.values(sessions ?? {}).map((session) => (session as Partial<Envelope>).coatcheck);
        },
      }),

      async close() {},
    },
    store,
    milliseconds("timeout", options.timeout ?? "5s"),
  );
}

/** The session that the express-session store gets. Its cookie carries the expiry, and `coatcheck` is our record. */
interface Envelope {
  cookie: object;
  coatcheck: unknown;
}

/** The last instant that a Date can hold. */
const MAX_DATE_MS = 8.64e15;

function cookieUntil(expiresAt: number): object {
  const expires = new Date(Math.min(expiresAt, MAX_DATE_MS));
  const cookie = { originalMaxAge: expires.getTime() - Date.now(), expires, httpOnly: true, path: "/" };
  // Some stores read `maxAge`. As in express-session's cookies, it is computed and not stored.
  return Object.defineProperty(cookie, "maxAge", { get: () => expires.getTime() - Date.now(), enumerable: false });
}

/** The result of a call that answers by callback. Some stores return a promise that rejects instead of calling back. */
function promisify<T>(call: (done: (error?: unknown, result?: T) => void) => unknown): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const returned = call((error, result) => (error ? reject(error) : resolve(result)));
    if (returned instanceof Promise) returned.catch(reject);
  });
}

/** For ENOENT, which some file stores give, and express-session takes for "no such session". */
function undefinedIfMissing(error: { code?: unknown } | undefined): undefined {
  if (error?.code !== "ENOENT") throw error;
}
