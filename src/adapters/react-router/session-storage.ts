// Sessions as a SessionStorage of React Router, for code that calls getSession, commitSession and destroySession.

import { type AdapterSession, CoatcheckError, type Session, type SessionData, type Sessions } from "../../index.ts";
import { checkNames } from "../../util/option-names.ts";

export interface StorageOptions {
  /**
   * True if browsers come over https, where the cookie's `secure` is `"auto"`: a `Cookie` header does not say it. Default:
   * false.
   */
  secure?: boolean;
}

/** A session as React Router's `getSession` gives it. A message of `flash` is there until the `get` that reads it. */
export interface StoredSession<Data extends object, FlashData = Data> {
  /** The public id; an empty text if the session is new. */
  readonly id: string;
  readonly data: FlashSessionData<Data, FlashData>;
  has(name: (keyof Data | keyof FlashData) & string): boolean;
  get<Key extends (keyof Data | keyof FlashData) & string>(
    name: Key,
  ):
    | (Key extends keyof Data ? Data[Key] : undefined)
    | (Key extends keyof FlashData ? FlashData[Key] : undefined)
    | undefined;
  set<Key extends keyof Data & string>(name: Key, value: Data[Key]): void;
  flash<Key extends keyof FlashData & string>(name: Key, value: FlashData[Key]): void;
  unset(name: keyof Data & string): void;
  /** The session itself, for what React Router's has not: `owner`, `update`, and `regenerate` when a user logs in. */
  readonly coat: Session<Data>;
}

type FlashSessionData<Data, FlashData> = Partial<
  Data & { [Key in keyof FlashData as `__flash_${Key & string}__`]: FlashData[Key] }
>;

/** React Router's `SessionStorage`, as `createCookieSessionStorage` and `createSessionStorage` make it. */
export interface SessionStorage<Data extends object, FlashData = Data> {
  /** @throws StoreError if the store is down. */
  getSession(cookieHeader?: string | null, options?: object): Promise<StoredSession<Data, FlashData>>;
  /**
   * Saves the changes, and gives the value of `Set-Cookie`. It is an empty text if the browser has the cookie already.
   * @throws ConflictError, StoreError, SessionTooLargeError, UnstorableValueError; CoatcheckError if options are given.
   */
  commitSession(session: StorageSession<Data, FlashData>, options?: object): Promise<string>;
  /** Ends the session, for every request that has it, and gives the value of `Set-Cookie`. */
  destroySession(session: StorageSession<Data, FlashData>, options?: object): Promise<string>;
}

/** The session that code for React Router passes back. */
type StorageSession<Data extends object, FlashData> = Omit<StoredSession<Data, FlashData>, "coat">;

/**
 * Sessions for code that has `getSession`, `commitSession` and `destroySession`: its own, or that of a package for logins.
 * Each `getSession` opens the session, and what is changed in parallel is merged.
 *
 * ```ts
 * export const { getSession, commitSession, destroySession } = toSessionStorage(sessions);
 * ```
 *
 * @throws OptionError if options are given and one is wrong.
 */
export function toSessionStorage<Data extends object = SessionData, FlashData = Data>(
  sessions: Sessions<Data>,
  options: StorageOptions = {},
): SessionStorage<Data, FlashData> {
  checkNames("toSessionStorage()", options, { secure: "boolean" });
  const { secure = false } = options;
  const opened = new WeakMap<object, AdapterSession<Data>>();

  async function commit(session: object, call: string, given: object | undefined, end: boolean): Promise<string> {
    const own = opened.get(session);
    if (own === undefined) throw foreignSession(call);
    const [name] = Object.entries(given ?? {}).find(([, value]) => value !== undefined) ?? [];
    if (name !== undefined) throw cookieOption(call, name);
    if (end) await own.destroy();
    const [cookie = "", ...others] = await own.commit();
    if (others.length > 0) throw severalCookies(call);
    return cookie;
  }

  return {
    async getSession(cookieHeader) {
      const own = await sessions.openMaybeSync(cookieHeader, { mode: "merge", secure });
      const session = storedSession<Data, FlashData>(own);
      opened.set(session, own);
      return session;
    },
    commitSession: (session, given) => commit(session, "commitSession()", given, false),
    destroySession: (session, given) => commit(session, "destroySession()", given, true),
  };
}

function storedSession<Data extends object, FlashData>(own: AdapterSession<Data>): StoredSession<Data, FlashData> {
  const data = own as AdapterSession<Record<string, unknown>>;
  const session = {
    coat: own,
    get id() {
      return own.isNew ? "" : own.id;
    },
    get data() {
      return Object.fromEntries(own.keys().map((key) => [key, own.get(key)]));
    },
    has(name: string) {
      if (data.has(name)) return true;
      const message = data.flash(name);
      if (message !== undefined) data.flash(name, message);
      return message !== undefined;
    },
    get: (name: string) => (data.has(name) ? data.get(name) : data.flash(name)),
    set: (name: string, value: unknown) => data.set(name, value),
    flash: (name: string, value: unknown) => void data.flash(name, value),
    unset: (name: string) => data.delete(name),
  };
  return session as unknown as StoredSession<Data, FlashData>;
}

function foreignSession(call: string): CoatcheckError {
  return new CoatcheckError(
    "COATCHECK_PROPERTY",
    `coatcheck: ${call} got a session that is not of these sessions. Give it what getSession() of the same toSessionStorage() gave.`,
  );
}

function cookieOption(call: string, name: string): CoatcheckError {
  return new CoatcheckError(
    "COATCHECK_OPTION",
    `coatcheck: ${call} takes no options of the cookie, but was given "${name}": all sessions have the same cookie. Set it by the options "cookie" and "idleTimeout" of createSessions().`,
  );
}

function severalCookies(call: string): CoatcheckError {
  return new CoatcheckError(
    "COATCHECK_CAPABILITY",
    `coatcheck: ${call} gives one cookie, but sessions with this store need several. Use the middleware: session(sessions).`,
  );
}
