// The parts of the library that are tested in each runtime, with their cases.

import assert from "node:assert/strict";
import type { SessionStore } from "../../../src/index.ts";
import type { PortableCase } from "./cases.ts";

/** What the runner gives: addresses of servers, or the bindings of a worker. */
export type Environment = Readonly<Record<string, unknown>>;

/** Loads a part, and gives its cases. */
export type Part = (env: Environment) => Promise<PortableCase[]>;

interface Capabilities {
  shared?: boolean;
  list?: boolean;
  claimExpired?: boolean;
  watch?: boolean;
  time?: boolean;
  maxValue?: number;
}

/** Each part is imported only when it is asked for: one that can't be loaded must not hide the others. */
export const parts: Record<string, Part> = {
  core: async () => (await import("./cases.ts")).coreCases,
  "sealed cookie": async () => (await import("./cases.ts")).sealedCookieCases,

  /** Every entry point of the package can be imported, unless it needs a framework that is not installed here. */
  async "entry points"() {
    const { readFileSync } = await import("node:fs");
    const { createRequire } = await import("node:module");
    const path = createRequire(import.meta.url)
      .resolve("coatcheck")
      .replace(/dist.*/, "package.json");
    const { exports } = JSON.parse(readFileSync(path, "utf8")) as { exports: object };
    const names = Object.keys(exports).filter((name) => !name.endsWith(".json"));
    return names.map((entry) => ({
      name: entry.replace(".", "coatcheck"),
      async run({ skip }) {
        try {
          assert.notEqual(Object.keys(await import(entry.replace(".", "coatcheck"))).length, 0);
        } catch (error) {
          const missing = /(?:package|module) ['"](?!coatcheck|\.|\/)([^'"]+)['"]/i.exec(String(error))?.[1];
          if (missing === undefined) throw error;
          skip(`${missing} is not installed`);
        }
      },
    }));
  },

  async memory() {
    const { memory } = await import("../../../src/stores/memory/index.ts");
    return conformant(() => memory(), { shared: false, list: true, claimExpired: true, watch: true, time: false });
  },

  async file({ FOLDER }) {
    const { file } = await import("../../../src/stores/file/index.ts");
    return conformant(() => file({ path: `${FOLDER}/file` }), { list: true, claimExpired: true, watch: true });
  },

  async sqlite({ FOLDER }) {
    const { sqlite } = await import("../../../src/stores/sqlite/index.ts");
    return conformant(() => sqlite({ path: `${FOLDER}/sqlite.db` }), { list: true, claimExpired: true, watch: false });
  },

  async redis({ REDIS_URL, NAME }) {
    const { redis } = await import("../../../src/stores/redis/index.ts");
    return conformant(() => redis({ url: String(REDIS_URL), prefix: `${NAME}:`, keepExpired: "1m" }), {
      list: true,
      claimExpired: true,
      watch: true,
    });
  },

  async postgres({ POSTGRES_URL, NAME }) {
    const { postgres } = await import("../../../src/stores/postgres/index.ts");
    return conformant(
      () => postgres({ url: String(POSTGRES_URL), table: String(NAME), createTable: true, notify: true }),
      {
        list: true,
        claimExpired: true,
        watch: true,
      },
    );
  },

  async d1({ DB }) {
    const { d1 } = await import("../../../src/stores/d1/index.ts");
    return conformant(() => d1({ database: DB as never, createTable: true }), {
      list: true,
      claimExpired: true,
      watch: false,
      time: true,
    });
  },

  async "durable-object"({ SESSIONS }) {
    const { durableObject } = await import("../../../src/stores/durable-object/index.ts");
    const namespace = SESSIONS as never;
    const store = durableObject({ namespace });
    // The object of a session with this key is also the only shard of a store with one.
    const key = "shard 0";
    const looking = durableObject({ namespace, shards: 1 });
    const left = async () => (await looking.claimExpired!(Date.now(), 10)).length;
    const create = () => store.create(key, { value: new Uint8Array([1]), expiresAt: Date.now() - 299_000 });
    return [
      ...(await conformant(() => durableObject({ namespace }), {
        list: false,
        claimExpired: false,
        watch: false,
        time: false,
      })),
      {
        name: "an expired session stays for sweeps, and an alarm removes it in the end",
        async run() {
          await create();
          assert.equal(await left(), 1);
          await create();
          await new Promise((resolve) => setTimeout(resolve, 14_000));
          assert.equal(await left(), 0);
          assert.notEqual(
            await store.create(key, { value: new Uint8Array([2]), expiresAt: Date.now() + 60_000 }),
            "exists",
          );
          assert.equal(await store.delete(key), true);
        },
      },
    ];
  },

  async "durable-object with shards"({ SHARDS }) {
    const { durableObject } = await import("../../../src/stores/durable-object/index.ts");
    const shards = 4;
    return conformant(() => durableObject({ namespace: SHARDS as never, shards }), {
      list: true,
      claimExpired: true,
      watch: false,
      time: false,
    });
  },
};

/** The conformance suite, without its cases for several processes and for outages, which need Node's. */
export async function conformant(makeStore: () => SessionStore, capabilities: Capabilities): Promise<PortableCase[]> {
  const { conformance } = await import("../../../src/conformance/index.ts");
  return conformance(makeStore, capabilities);
}
