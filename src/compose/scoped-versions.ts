// Scoped versions: the versions of each part of a composed store carry that part's name.

import type { SessionStore, StoredSession, Version } from "../store.ts";

/** True if the version came from the part with this name. */
export function isScopedTo(version: Version, name: string): boolean {
  return typeof version === "string" && version.startsWith(`${name}:`);
}

/**
 * The same store with `name` in every version. A version from one part of a composed store then never matches a session in
 * another part.
 */
export function scopedVersions(store: SessionStore, name: string): SessionStore {
  const prefix = `${name}:`;

  function scope(version: Version): Version {
    return `${prefix}${typeof version === "number" ? "n" : "s"}${version}`;
  }

  /** The store's own version. Undefined for a version of another part. */
  function unscope(version: Version): Version | undefined {
    if (!isScopedTo(version, name)) return undefined;
    const own = String(version).slice(prefix.length + 1);
    return String(version)[prefix.length] === "n" ? Number(own) : own;
  }

  async function scoped(reading: Promise<StoredSession | undefined>): Promise<StoredSession | undefined> {
    const session = await reading;
    return session && { ...session, version: scope(session.version) };
  }

  const result: SessionStore = {
    ...(store.name !== undefined && { name: store.name }),
    ...(store.inProcess && { inProcess: true }),
    ...(store.atomic === false && { atomic: false }),
    read: (key, touchUntil) => scoped(store.read(key, touchUntil)),
    ...(store.refresh && { refresh: (key, touchUntil) => scoped(store.refresh!(key, touchUntil)) }),

    async create(key, session) {
      const answer = await store.create(key, session);
      return answer === "exists" ? answer : scope(answer);
    },

    async update(key, session, ifVersion) {
      const version = unscope(ifVersion);
      if (version === undefined) return (await store.read(key)) ? "conflict" : "gone";
      const answer = await store.update(key, session, version);
      return answer === "conflict" || answer === "gone" ? answer : scope(answer);
    },

    async delete(key, ifVersion) {
      if (ifVersion === undefined) return store.delete(key);
      const version = unscope(ifVersion);
      return version !== undefined && store.delete(key, version);
    },

    touch: (key, expiresAt) => store.touch(key, expiresAt),
    close: () => store.close(),
  };
  if (store.time) result.time = () => store.time!();
  if (store.list) result.list = (query) => store.list!(query);
  if (store.claimExpired) result.claimExpired = (now, limit) => store.claimExpired!(now, limit);
  if (store.watch) {
    result.watch = (listener, onListening) =>
      store.watch!(
        (change) => listener(change.version === undefined ? change : { ...change, version: scope(change.version) }),
        onListening,
      );
  }
  return result;
}
