// Descriptions of composed stores, which other processes can make, too.

import { failover, migrating, partitioned } from "../../src/compose/index.ts";
import type { SessionStore } from "../../src/store.ts";
import { file } from "../../src/stores/file/index.ts";
import { postgres } from "../../src/stores/postgres/index.ts";
import { redis } from "../../src/stores/redis/index.ts";

/** A store described in JSON, so that other processes can make it. */
export type Spec =
  | { file: string }
  | { redis: string; keepExpired?: "1m" }
  | { postgres: string }
  | { partitioned: { name: string; store: Spec }[] }
  | { failover: { primary: Spec; standby: Spec } }
  | { migrating: { from: Spec; to: Spec; phase?: "prepare" | "move" } };

/** Makes the store. Equal descriptions give the same object, as for a part that belongs to two composed stores. */
export function storeOf(spec: Spec): SessionStore {
  const made = new Map<string, SessionStore>();
  function make(spec: Spec): SessionStore {
    const name = JSON.stringify(spec);
    const store = made.get(name) ?? makeNew(spec);
    made.set(name, store);
    return store;
  }
  function makeNew(spec: Spec): SessionStore {
    if ("file" in spec) return file({ path: spec.file });
    if ("redis" in spec) {
      return redis({ url: spec.redis, ...(spec.keepExpired && { keepExpired: spec.keepExpired }) });
    }
    if ("postgres" in spec) return postgres({ url: spec.postgres, createTable: true });
    if ("partitioned" in spec)
      return partitioned(spec.partitioned.map(({ name, store }) => ({ name, store: make(store) })));
    if ("failover" in spec) {
      return failover({ primary: make(spec.failover.primary), standby: make(spec.failover.standby), after: "500ms" });
    }
    const { from, to, ...options } = spec.migrating;
    return migrating({ from: make(from), to: make(to), ...options });
  }
  return make(spec);
}

/** The module that makes the store in a process of the conformance suite. */
export function moduleOf(spec: Spec): URL {
  const module = new URL("./spec-process.ts", import.meta.url);
  module.searchParams.set("spec", JSON.stringify(spec));
  return module;
}
