// The kinds of stores on which a feature of sessions has to work.

import { cached } from "../../src/compose/index.ts";
import type { SessionStore } from "../../src/index.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { sealedCookie } from "../../src/stores/sealed-cookie/index.ts";
import { watched } from "./stores.ts";

/** Stores that keep their sessions on the server, by name. */
export const serverStores: Readonly<Record<string, () => SessionStore>> = {
  memory: () => memory(),
  "a database": () => watched(),
  "a slow database": () => slow(),
  "cached()": () => cached(watched(), { maxAge: "1h" }),
};

/** The same, and the one that the browser carries. */
export const everyStore: Readonly<Record<string, () => SessionStore>> = {
  ...serverStores,
  "sealedCookie()": () => sealedCookie(),
};

/** Answers in a later turn of the event loop, so that parallel requests overlap in every way. */
function slow(): SessionStore {
  const store = watched();
  store.before = () => new Promise((resolve) => setImmediate(resolve));
  store.after = () => (Math.random() < 0.5 ? new Promise((resolve) => setImmediate(resolve)) : undefined);
  return store;
}
