// The partitioned store: several stores share the sessions.

import { hash } from "node:crypto";
import { OptionError } from "../../errors.ts";
import { readFresh, type SessionStore } from "../../store.ts";
import { haveClock, PartClocks } from "../part-clocks.ts";
import { allHave, claimFromAll, closeAll, traits, watchAll } from "../parts.ts";
import { scopedVersions } from "../scoped-versions.ts";

/** One of the stores that share the sessions. */
export interface Partition {
  /** The key and the partitions' names decide which partition a session is in. Never change a name. */
  name: string;
  store: SessionStore;
}

export interface PartitionedStore extends SessionStore {
  /** The store, as it was given, that holds the session of this key. */
  partOf(key: string): SessionStore;
}

/**
 * Spreads the sessions over several stores. A session's home is the store whose name gives the highest hash together with
 * the session's key (rendezvous hashing). A store that is added takes an equal share from each other store, and no other
 * session moves.
 *
 * If a store is down, only its own sessions fail. `list` gives the sessions of the other stores, and then throws. To add or
 * remove a store on a running farm, use `migrating`.
 *
 * @param parts stores, or stores with names. The default name of a store is its position: `"0"`, `"1"` and so on.
 * @throws OptionError if there is no store, or a store or a name is given twice.
 */
export function partitioned(parts: readonly (SessionStore | Partition)[]): PartitionedStore {
  const partitions = toPartitions(parts);
  const homes = new Map(partitions.map((partition) => [scopedVersions(partition.store, partition.name), partition]));
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
    result.refresh = (key, touchUntil) => readFresh(homeOf(key), key, touchUntil);
  }
  if (haveClock(stores)) {
    // By name, so that every server goes by the same part's clock, in whatever order the parts are given.
    const byName = [...homes].sort(([, one], [, other]) => (one.name < other.name ? -1 : 1));
    const clocks = new PartClocks(
      "partitioned",
      byName.map(([store]) => store),
    );
    result.time = () => clocks.time();
  }
  if (allHave(stores, "list")) {
    result.list = async function* (query) {
      const failures: unknown[] = [];
      for (const store of stores) {
        try {
          // A session in another store than its home was left behind by a move.
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

function toPartitions(parts: readonly (SessionStore | Partition)[]): Partition[] {
  if (!Array.isArray(parts) || parts.length === 0) {
    throw new OptionError("partitioned", parts, "give an array of at least one store.");
  }
  const partitions = parts.map((part, index) =>
    "store" in part ? part : { name: String(index), store: part },
  ) as Partition[];
  for (const [index, { name, store }] of partitions.entries()) {
    if (typeof name !== "string" || name === "") {
      throw new OptionError(
        `partitioned[${index}].name`,
        name,
        "give a text that is not empty, and that this store keeps.",
      );
    }
    if (typeof store?.read !== "function") throw new OptionError(`partitioned[${index}].store`, store, "give a store.");
    const before = partitions.slice(0, index);
    if (before.some((other) => other.name === name)) {
      throw new OptionError(
        `partitioned[${index}].name`,
        name,
        "another store has this name: give each store its own.",
      );
    }
    if (before.some((other) => other.store === store)) {
      throw new OptionError(`partitioned[${index}].store`, store, "it is in the list already: give each store once.");
    }
  }
  return partitions;
}
