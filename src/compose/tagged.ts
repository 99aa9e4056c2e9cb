import type { SessionStore, StoredSession, Version } from "../store.ts";

/** True if the version is one that the store tagged with this name gave. */
export function isTagged(version: Version, name: string): boolean {
  return typeof version === "string" && version.startsWith(`${name}:`);
}

/**
 * The same store with its name in every version: a version that one part of a composed store gave never fits a session in
 * another part.
 */
export function tagged(store: SessionStore, name: string): SessionStore {
  const prefix = `${name}:`;

  function tag(version: Version): Version {
    return `${prefix}${typeof version === "number" ? "n" : "s"}${version}`;
  }

  /** What the store itself calls the version; undefined if it is another part's. */
  function untag(version: Version): Version | undefined {
    if (!isTagged(version, name)) return undefined;
    const own = String(version).slice(prefix.length + 1);
    return String(version)[prefix.length] === "n" ? Number(own) : own;
  }

  async function found(answer: Promise<StoredSession | undefined>): Promise<StoredSession | undefined> {
    const session = await answer;
    return session && { ...session, version: tag(session.version) };
  }

  const result: SessionStore = {
    ...(store.inProcess && { inProcess: true }),
    ...(store.atomic === false && { atomic: false }),
    read: (key, touchUntil) => found(store.read(key, touchUntil)),
    ...(store.refresh && { refresh: (key, touchUntil) => found(store.refresh!(key, touchUntil)) }),

    async create(key, session) {
      const answer = await store.create(key, session);
      return answer === "exists" ? answer : tag(answer);
    },

    async update(key, session, ifVersion) {
      const version = untag(ifVersion);
      if (version === undefined) return (await store.read(key)) ? "conflict" : "gone";
      const answer = await store.update(key, session, version);
      return answer === "conflict" || answer === "gone" ? answer : tag(answer);
    },

    async delete(key, ifVersion) {
      if (ifVersion === undefined) return store.delete(key);
      const version = untag(ifVersion);
      return version !== undefined && store.delete(key, version);
    },

    touch: (key, expiresAt) => store.touch(key, expiresAt),
    close: () => store.close(),
  };
  if (store.list) result.list = (query) => store.list!(query);
  if (store.claimExpired) result.claimExpired = (now, limit) => store.claimExpired!(now, limit);
  if (store.watch) {
    result.watch = (listener, onListening) =>
      store.watch!(
        (change) => listener(change.version === undefined ? change : { ...change, version: tag(change.version) }),
        onListening,
      );
  }
  return result;
}
