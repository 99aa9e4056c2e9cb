// Misspelt options of every store, of stores made of stores, and of all else that has options.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { cached, failover, migrating } from "../../src/compose/index.ts";
import { fromConfig, fromWebConfig } from "../../src/config/index.ts";
import schemas from "../../src/config/schema.json" with { type: "json" };
import { conformance } from "../../src/conformance/index.ts";
import { createSessions, OptionError } from "../../src/index.ts";
import { azureTable } from "../../src/stores/azure-table/index.ts";
import { cosmos } from "../../src/stores/cosmos/index.ts";
import { d1, schema as d1Schema } from "../../src/stores/d1/index.ts";
import { durableObject } from "../../src/stores/durable-object/index.ts";
import { fromExpressStore, toExpressStore } from "../../src/stores/express-session/index.ts";
import { file } from "../../src/stores/file/index.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { mssql, schema as mssqlSchema } from "../../src/stores/mssql/index.ts";
import { mysql, schema as mysqlSchema } from "../../src/stores/mysql/index.ts";
import { postgres, schema as postgresSchema } from "../../src/stores/postgres/index.ts";
import { redis } from "../../src/stores/redis/index.ts";
import { sqlite, schema as sqliteSchema } from "../../src/stores/sqlite/index.ts";
import { fromUnstorage } from "../../src/stores/unstorage/index.ts";

const folder = mkdtempSync(join(tmpdir(), "coatcheck-option-names-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const none = () => {};
const expressStore = { get: none, set: none, destroy: none };
const d1Database = { prepare: none as never, batch: none as never };
const namespace = { idFromName: none as never, get: none as never };
const storage = { getItem: none, setItem: none, removeItem: none, getKeys: none };

/** What takes options, with options that it takes, and more of their names. */
const TAKERS: Record<string, [take: (options: never) => unknown, options: object, more?: readonly string[]]> = {
  "memory()": [memory, {}],
  "file()": [file, { path: folder }],
  "redis()": [redis, { host: "127.0.0.1" }, ["client"]],
  "postgres()": [postgres, { url: "postgres://127.0.0.1:1/x" }, ["pool"]],
  "mysql()": [mysql, { url: "mysql://127.0.0.1:1/x" }, ["pool"]],
  "sqlite()": [sqlite, { path: join(folder, "sessions.db") }, ["database"]],
  "mssql()": [
    mssql,
    { connectionString: "Server=127.0.0.1,1;Database=x;User Id=u;Password=p" },
    ["pool", "credential"],
  ],
  "azureTable()": [azureTable, { connectionString: "UseDevelopmentStorage=true" }, ["client", "credential"]],
  "cosmos()": [cosmos, { endpoint: "http://127.0.0.1:1", key: "YW55" }, ["client", "agent", "onRequestCharge"]],
  "d1()": [d1, { database: d1Database }, ["table", "createTable"]],
  "durableObject()": [durableObject, { namespace }, ["shards"]],
  "fromUnstorage()": [(options) => fromUnstorage(storage as never, options), {}, ["base", "timeout"]],
  "fromExpressStore()": [(options) => fromExpressStore(expressStore, options), {}, ["timeout"]],
  "toExpressStore()": [(options) => toExpressStore(memory(), options), {}, ["ttl", "expressSession"]],
  "cached()": [(options) => cached(memory(), options), {}, ["maxBytes", "maxAge", "onListening"]],
  "failover()": [failover, { primary: memory(), standby: memory() }, ["after", "onTakeover"]],
  "migrating()": [migrating, { from: memory(), to: memory() }, ["phase"]],
  "conformance()": [(options) => conformance(memory, options), {}, ["shared", "processes", "outage"]],
};
const SCHEMAS = { d1Schema, mssqlSchema, mysqlSchema, postgresSchema, sqliteSchema };

/** The options that a file may give to the store: those of the schema. */
function namesOf(owner: string): string[] {
  const name = owner.replace("()", "").replace("azureTable", "azure-table") as keyof typeof schemas.$defs;
  const definition = schemas.$defs[name] as { properties?: object } | undefined;
  return Object.keys(definition?.properties ?? {});
}

function assertRefused(take: () => unknown, message: string): void {
  assert.throws(take, (error: unknown) => {
    assert.ok(error instanceof OptionError, String(error));
    assert.ok(error.problems.includes(message), `${error.message} lacks ${message}`);
    return true;
  });
}

describe("a misspelt option is refused with the name that was meant", () => {
  for (const [owner, [take, options, more = []]] of Object.entries(TAKERS)) {
    test(`of ${owner}`, () => {
      take(options as never);
      const names = [...namesOf(owner), ...more, ...Object.keys(options)];
      assert.notEqual(names.length, 0);
      for (const name of names) {
        const misspelt = name.toUpperCase();
        assertRefused(
          () => take({ ...options, [misspelt]: undefined } as never),
          `option "${misspelt}" of ${owner} is unknown: did you mean "${name}"?`,
        );
      }
    });

    test(`of ${owner}, and a text in place of the options`, () => {
      assert.throws(
        () => take("localhost:6379" as never),
        /the options of .* are a string: give an object, such as \{/,
      );
    });
  }

  test("in nested options of redis()", () => {
    const name = "s";
    assertRefused(
      () => redis({ sentinel: { name, nodes: ["a"], pasword: "x" } } as never),
      'option "sentinel.pasword" of redis() is unknown: did you mean "password"?',
    );
    assertRefused(
      () => redis({ cluster: "a:1,b:2" } as never),
      'option "cluster" is a string: give an object, such as { nodes: … }.',
    );
  });

  for (const [owner, schema] of Object.entries(SCHEMAS)) {
    test(`of ${owner}`, () => {
      assert.ok(schema({ table: "t" }).includes("t"));
      assertRefused(
        () => schema({ tabel: "t" } as never),
        'option "tabel" of schema() is unknown: did you mean "table"?',
      );
    });
  }

  test("of list(), whose owner may not be undefined either", async () => {
    const sessions = createSessions<object>();
    const list = (query: object) => sessions.list(query)[Symbol.asyncIterator]().next();
    await assert.rejects(list({ ower: "ann" }), /option "ower" of list\(\) is unknown: did you mean "owner"/);
    await assert.rejects(list({ owner: undefined }), /option "owner" is undefined: give the id of an owner/);
    assert.equal((await list({})).done, true);
    await sessions.close();
  });

  test("of copy(), fromConfig() and fromWebConfig()", async () => {
    const store = migrating({ from: memory(), to: memory() });
    await assert.rejects(store.copy({ perMinute: 5 } as never), /option "perMinute" of copy\(\) is unknown/);
    await assert.rejects(fromConfig({}, { onWarn: none } as never), /"onWarn" of fromConfig\(\).*mean "onWarning"/);
    await assert.rejects(fromWebConfig("x", { ENV: {} } as never), /"ENV" of fromWebConfig\(\).*mean "env"/);
  });
});

describe("a name that the client itself has", () => {
  const others: [take: () => unknown, problem: RegExp][] = [
    [() => redis({ host: "a", password: "x" } as never), /"password" of redis\(\) is unknown: write accessKey/],
    [() => redis({ host: "a", db: 1 } as never), /"db" of redis\(\) is unknown: write database/],
    [() => postgres({ connectionString: "postgres://a" } as never), /unknown: write url/],
    [
      () => postgres({ host: "a" } as never),
      /"host" of postgres\(\) is unknown: write it into url, or into connection/,
    ],
    [() => mysql({ user: "a" } as never), /"user" of mysql\(\) is unknown: write it into url, or into connection/],
    [() => mssql({ options: {} } as never), /unknown: write it into connectionString, or into connection/],
    [() => azureTable({ accountName: "a" } as never), /unknown: write account/],
    [() => cosmos({ endpoint: "https://a", databaseId: "a" } as never), /unknown: write database/],
  ];
  for (const [take, problem] of others) test(String(problem), () => assert.throws(take, problem));
});

test("a text in place of true or false is refused", () => {
  assert.throws(() => redis({ host: "a", ssl: "false" } as never), /option "ssl" is "false": give true or false/);
  assert.throws(() => postgres({ notify: "yes" } as never), /option "notify" is "yes": give true or false/);
});

test("an address of a database without its protocol is refused as a url", () => {
  assert.throws(
    () => mysql({ url: "localhost:3306" }),
    /option "url" is "localhost:3306": give a URL such as mysql:\/\//,
  );
  assert.throws(
    () => postgres({ url: "localhost:5432/shop" }),
    /option "url" is \(not shown\): give a URL such as postgres:\/\//,
  );
  for (const url of ["postgres://localhost/x", "postgresql:///x", "/var/run/postgresql x", "socket:/tmp?db=x"])
    postgres({ url });
});

test("a value of a wrong kind is refused", () => {
  assert.throws(() => mysql({ url: ["x"] } as never), /option "url" is an array: give a text/);
  assert.throws(() => postgres({ pool: "postgres" } as never), /option "pool" is \(not shown\): give an object/);
  assert.throws(() => cosmos({ endpoint: null } as never), /option "endpoint" is null: give a text/);
});

test("an address of Redis without redis:// or rediss:// is refused as a url", () => {
  for (const url of ["localhost:6379", "localhost", "shop.redis.cache.windows.net:6380"]) {
    assert.throws(() => redis({ url }), (error: Error) => {
      assert.ok(error.message.includes(`option "url" is "${url}": give redis://`), error.message);
      return true;
    }); // biome-ignore format: one line
  }
});
