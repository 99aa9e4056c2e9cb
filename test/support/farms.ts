// Farms of several servers, by the kind of store that they share.

import { cached } from "../../src/compose/index.ts";
import { createSessions, type Sessions, type SessionsOptions } from "../../src/index.ts";
import type { SessionStore } from "../../src/store.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { serverStores } from "./every-store.ts";
import type { Data } from "./set-up.ts";
import { SECRET, watched } from "./stores.ts";

/** Makes the shared part, and returns what makes each server's own store over it. */
export type MakeFarm = () => () => SessionStore;

/** Stores by name. Of the caches, each server has its own. */
export const farms: Readonly<Record<string, MakeFarm>> = {
  ...Object.fromEntries(Object.entries(serverStores).map(([name, make]) => [name, () => shared(make())])),
  "caches of a database that announces changes": () => {
    const inner = memory();
    return () => cached({ ...watched(inner), watch: (listener) => inner.watch!(listener) }, { maxAge: "1h" });
  },
};

/** The same, where no server has to learn of the others: each session may be asked for at any time. */
export const silentCaches: MakeFarm = () => {
  const inner = watched();
  return () => cached(inner, { maxAge: "1h" });
};

/** A database that can't list: sessions are found by what is kept of their owner alone. */
export const unlisted: MakeFarm = () => {
  const { list: _, claimExpired: __, ...store } = watched();
  return shared(store);
};

export function servers(makeFarm: MakeFarm, options: SessionsOptions<Data> = {}, count = 3): Sessions<Data>[] {
  const makeStore = makeFarm();
  return Array.from({ length: count }, () =>
    createSessions<Data>({ store: makeStore(), secret: SECRET, sweepInterval: false, ...options }),
  );
}

function shared(store: SessionStore): () => SessionStore {
  return () => store;
}
