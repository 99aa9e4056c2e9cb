import { hash } from "node:crypto";
import { OptionError } from "../errors.ts";
import { readPastCopies } from "../past-copies.ts";
import type { SessionStore } from "../store.ts";
import { allHave, claimFromAll, closeAll, traits, watchAll } from "./parts.ts";
import { tagged } from "./tagged.ts";

/** One of the stores that share the sessions. */
export interface Partition {
  /** Decides, with the key, where a session lies. Keep it when you add or remove others. */
  name: string;
  store: SessionStore;
}

export interface PartitionedStore extends SessionStore {
  /** The store that a session lies in, as it was given. */
  partOf(key: string): SessionStore;
}

/**
 * Shares the sessions out among several stores. Each session has one of them for its home: the one whose name, hashed with
 * the session's key, gives the most (rendezvous hashing), so that with another store each gives up only that one's share.
 *
 * A store that is down fails its own sessions; the others go on. What walks through all (`list`) goes on through
 * the others, and then fails. To add or remove a store on a running farm, use `migrating`.
 *
 * @param parts stores, or names with stores. A store without a name has its position for one: `"0"`, `"1"` and so on.
 * @throws OptionError if there is no store, or one store or name stands there twice.
 */
export function partitioned(parts: readonly (SessionStore | Partition)[]): PartitionedStore {
  const partitions = check(parts);
  const homes = new Map(partitions.map((partition) => [tagged(partition.store, partition.name), partition]));
  const stores = [...homes.keys()];

  function homeOf(key: string): SessionStore {
    if (stores.length === 1) return stores[0]!;
    let best = "";
    let home = stores[0]!;
    for (const [store, { name }] of homes) {
      const weight = hash("sha256", `${name}\n${key}`, "hex");
      if (weight > best) [best, home] = [weight, store];
    }
    return home;
  }

  const result: PartitionedStore = {
    ...traits(stores),
    partOf: (key) => homes.get(homeOf(key))!.store,
    withParts: (wrap) => partitioned(partitions.map(({ name, store }) => ({ name, store: wrap(store) }))),
    read: (key, touchUntil) => homeOf(key).read(key, touchUntil),
    create: (key, session) => homeOf(key).create(key, session),
    update: (key, session, ifVersion) => homeOf(key).update(key, session, ifVersion),
    delete: (key, ifVersion) => homeOf(key).delete(key, ifVersion),
    touch: (key, expiresAt) => homeOf(key).touch(key, expiresAt),
    close: () => closeAll(partitions.map(({ store }) => store)),
  };
  if (stores.some((store) => store.refresh)) {
    result.refresh = (key, touchUntil) => readPastCopies(homeOf(key), key, touchUntil);
  }
  if (allHave(stores, "list")) {
    result.list = async function* (query) {
      const failures: unknown[] = [];
      for (const store of stores) {
        try {
          // What lies elsewhere than at home was left behind by a move.
          for await (const entry of store.list!(query)) if (homeOf(entry.key) === store) yield entry;
        } catch (error) {
          failures.push(error);
        }
      }
      if (failures.length > 0) throw failures[0];
    };
  }
  if (allHave(stores, "claimExpired")) result.claimExpired = (now, limit) => claimFromAll(stores, now, limit);
  if (allHave(stores, "watch")) {
    result.watch = (listener, onListening) =>
      watchAll(
        stores,
        (change, store) => {
          if (homeOf(change.key) === store) listener(change);
        },
        onListening,
      );
  }
  return result;
}

function check(parts: readonly (SessionStore | Partition)[]): Partition[] {
  if (!Array.isArray(parts) || parts.length === 0) {
    throw new OptionError("partitioned", parts, "give an array of at least one store.");
  }
  const partitions = parts.map((part, index) =>
    "store" in part ? part : { name: String(index), store: part },
  ) as Partition[];
  for (const [index, { name, store }] of partitions.entries()) {
    if (typeof name !== "string" || name === "") {
      throw new OptionError(`partitioned[${index}].name`, name, "give a text that stays with this store.");
    }
    if (typeof store?.read !== "function") throw new OptionError(`partitioned[${index}].store`, store, "give a store.");
    const before = partitions.slice(0, index);
    if (before.some((other) => other.name === name)) {
      throw new OptionError(`partitioned[${index}].name`, name, "another store has it: give each its own.");
    }
    if (before.some((other) => other.store === store)) {
      throw new OptionError(`partitioned[${index}].store`, store, "it stands there already: give each store once.");
    }
  }
  return partitions;
}
