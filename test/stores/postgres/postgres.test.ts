// The PostgreSQL store, against a real server.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { conformance } from "../../../src/conformance/index.ts";
import { OptionError, StoreError } from "../../../src/errors.ts";
import type { SessionChange } from "../../../src/store.ts";
import { postgres, schema } from "../../../src/stores/postgres/index.ts";
import {
  assertNamesRefused,
  assertPackageIsPreloaded,
  HOSTILE_NAMES,
  newKey,
  readWithoutPackage,
  session,
  testConcurrentCalls,
  useEveryMethod,
} from "../../fixtures/sql/kit.ts";
import makeStore from "../../fixtures/sql/postgres.ts";
import { startPostgres } from "../../servers/postgres.ts";
import { waitFor } from "../../servers/process.ts";

const server = await startPostgres();
const { url } = server;
process.env.TEST_POSTGRES_URL = url;
// A pool's end() does not wait for its connections, so the server may end them first, which is reported as an error.
const connect = () => new pg.Pool({ connectionString: url }).on("error", () => {});
let admin = connect();
after(async () => {
  await admin.end();
  await server.stop();
});

describe("conformance", () => {
  for (const { name, run } of conformance(makeStore, {
    list: true,
    claimExpired: true,
    watch: true,
    processes: new URL("../../fixtures/sql/postgres.ts", import.meta.url),
    outage: {
      async stop() {
        await admin.end();
        await server.stop();
      },
      async start() {
        await server.start();
        admin = connect();
      },
    },
  })) {
    test(name, run);
  }
});

describe("conformance without notifications and prepared statements", () => {
  const plain = () => postgres({ url, createTable: true, table: "plain", prepare: false });
  for (const { name, run } of conformance(plain, { list: true, claimExpired: true, watch: false })) {
    // The other cases take long, and use the same statements.
    if (!/^(expiry|claimExpired|values)/.test(name)) test(name, run);
  }
});

describe("table names", () => {
  for (const name of HOSTILE_NAMES) {
    test(`are quoted: ${name}`, async () => {
      await admin.query(`CREATE SCHEMA ${pg.escapeIdentifier(name)}`);
      const store = postgres({ url, schema: name, table: name, createTable: true, notify: true });
      await useEveryMethod(store);
      await store.close();
      const { rows } = await admin.query("SELECT 1 FROM pg_tables WHERE schemaname = $1 AND tablename = $1", [name]);
      assert.equal(rows.length, 1);
    });
  }

  test("that are not valid are refused", () => {
    assertNamesRefused((names) => postgres({ url, ...names }));
    assert.throws(() => postgres({ url, table: "é".repeat(30) }), /at most 52 bytes/);
  });

  test("of two stores on one pool do not mix", async () => {
    const [a, b] = ["a", "b"].map((table) => postgres({ pool: admin, table, createTable: true }));
    const key = newKey();
    await a!.create(key, session());
    assert.equal(await b!.read(key), undefined);
    await Promise.all([useEveryMethod(a!), useEveryMethod(b!)]);
  });
});

describe("the table", () => {
  test("can be created by the statements of schema(), also twice", async () => {
    await admin.query("CREATE SCHEMA migrated");
    const names = { schema: "migrated", table: "my sessions" };
    await admin.query(schema(names));
    await admin.query(schema(names));
    const store = postgres({ url, ...names });
    await useEveryMethod(store);
    await store.close();
    const { rows } = await admin.query("SELECT indexname FROM pg_indexes WHERE schemaname = 'migrated' ORDER BY 1");
    assert.deepEqual(
      rows.map(({ indexname }) => indexname),
      ["my sessions_expires_at", "my sessions_owner", "my sessions_pkey"],
    );
  });

  test("that is missing is an error that says how to create it", async () => {
    const store = postgres({ url, table: "nowhere" });
    await assert.rejects(store.read("k"), (error) => error instanceof StoreError && /schema\(\)/.test(error.message));
    await store.close();
  });

  test("is created once by servers that start concurrently", async () => {
    const stores = Array.from({ length: 8 }, () => postgres({ url, table: "together", createTable: true }));
    await Promise.all(stores.map((store) => store.read("k")));
    await Promise.all(stores.map((store) => store.close()));
  });

  test("can be used by an account without the right to create it", async () => {
    await admin.query(schema({ table: "granted" }));
    await admin.query("CREATE ROLE shop LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON granted TO shop");
    await admin.query("REVOKE CREATE ON SCHEMA public FROM PUBLIC");
    const store = postgres({ url: url.replace("postgres@", "shop@"), table: "granted", createTable: true });
    await useEveryMethod(store);
    await store.close();
  });

  test("with rows that were edited by hand gives errors, not wrong sessions", async () => {
    const store = postgres({ url, table: "edited", createTable: true });
    const keys = [newKey(), newKey()];
    for (const key of keys) await store.create(key, session());
    await admin.query("UPDATE edited SET version = 9007199254740993, value = '', owner = E'\\n' WHERE key = $1", [
      keys[0],
    ]);
    await assert.rejects(store.read(keys[0]!), StoreError);
    assert.ok(await store.read(keys[1]!));
    await admin.query("UPDATE edited SET version = -1, expires_at = 9007199254740993 WHERE key = $1", [keys[0]]);
    await assert.rejects(store.read(keys[0]!), StoreError);
    await admin.query("UPDATE edited SET expires_at = -9007199254740993 WHERE key = $1", [keys[0]]);
    await store.touch(keys[1]!, Date.now() + 1);
    const claimed = await store.claimExpired!(Date.now() + 1000, 10);
    assert.deepEqual(
      claimed.map(({ key }) => key),
      [keys[1]],
    );
    await store.close();
  });
});

describe("a pool of the application", () => {
  test("stays open, and the application's settings do not affect the store", async () => {
    const types = { getTypeParser: () => () => "not what the store expects" } as unknown as pg.CustomTypesConfig;
    const pool = new pg.Pool({ connectionString: url, types, max: 2 });
    const store = postgres({ pool, createTable: true, table: "handed", notify: true });
    const stop = await store.watch!(() => {});
    await useEveryMethod(store);
    await stop();
    await store.close();
    await assert.rejects(store.read("k"), /closed/);
    assert.equal((await pool.query("SELECT 1")).rowCount, 1);
    await pool.end();
  });

  test("excludes the options that name the database", () => {
    assert.throws(() => postgres({ pool: admin, url }), OptionError);
  });
});

test("round trips: one for each method, two for a refused update", async () => {
  let count = 0;
  const pool = new pg.Pool({ connectionString: url });
  pool.on("connect", (connection) => {
    const query = connection.query.bind(connection) as (...args: unknown[]) => unknown;
    connection.query = ((...args: unknown[]) => {
      count++;
      return query(...args);
    }) as typeof connection.query;
  });
  const store = postgres({ pool, table: "counted" });
  await admin.query(schema({ table: "counted" }));
  async function cost(call: Promise<unknown>): Promise<number> {
    const before = count;
    await call;
    return count - before;
  }
  const key = newKey();
  const version = (await store.create(key, session())) as number;
  assert.equal(count, 1);
  assert.equal(await cost(store.read(key)), 1);
  assert.equal(await cost(store.update(key, session(), version)), 1);
  assert.equal(await cost(store.update(key, session(), version)), 2);
  assert.equal(await cost(store.touch(key, Date.now() + 60_000)), 1);
  assert.equal(await cost(store.delete(key)), 1);
  assert.equal(await cost(store.claimExpired!(Date.now(), 100)), 1);
  // A hundred concurrent calls: at most 64 share a statement.
  const keys = Array.from({ length: 100 }, newKey);
  assert.equal(await cost(Promise.all(keys.map((one) => store.read(one)))), 2);
  const creations = keys.map((one) => store.create(one, session()));
  assert.equal(await cost(Promise.all(creations)), 2);
  const versions = (await Promise.all(creations)) as number[];
  assert.equal(await cost(Promise.all(keys.map((one, index) => store.update(one, session(), versions[index]!)))), 2);
  assert.equal(await cost(Promise.all(keys.map((one) => store.delete(one)))), 2);
  assert.equal(await cost(store.time!()), 1);
  await pool.end();
});

describe("concurrent calls", () => {
  testConcurrentCalls(
    () => postgres({ url, table: "many", createTable: true }),
    async (key) => {
      const lockHolder = await admin.connect();
      await lockHolder.query("BEGIN");
      await lockHolder.query("DELETE FROM many WHERE key = $1", [key]);
      return async () => {
        await lockHolder.query("ROLLBACK");
        lockHolder.release();
      };
    },
  );
});

test("sessions that are touched together share a statement: each connection is a process of the server", async () => {
  const pool = new pg.Pool({ connectionString: url }).on("error", () => {});
  const store = postgres({ pool, table: "touched", createTable: true });
  const keys = Array.from({ length: 60 }, newKey);
  await Promise.all(keys.map((key) => store.create(key, session())));
  const before = pool.totalCount;
  const until = Date.now() + 120_000;
  await Promise.all([...keys, keys[7]!].map((key, index) => store.touch(key, until + index)));
  assert.equal(pool.totalCount, before);
  assert.equal(
    (await store.read(keys[7]!))!.expiresAt,
    until + 60,
    "of several calls for one session the last decides",
  );
  await pool.end();
});

test("claimExpired skips locked rows, and claims them later", async () => {
  const store = postgres({ url, table: "swept", createTable: true });
  const keys = Array.from({ length: 5 }, newKey);
  for (const key of keys) await store.create(key, session({ expiresAt: Date.now() - 1 }));
  const lockHolder = await admin.connect();
  await lockHolder.query("BEGIN");
  await lockHolder.query("SELECT * FROM swept WHERE key = $1 FOR UPDATE", [keys[0]]);
  const claimed = (await store.claimExpired!(Date.now(), 10)).map(({ key }) => key);
  assert.deepEqual(claimed.sort(), keys.slice(1).sort());
  await lockHolder.query("ROLLBACK");
  lockHolder.release();
  assert.equal((await store.claimExpired!(Date.now(), 10)).length, 1);
  await store.close();
});

describe("faults", () => {
  test("idle connections that break do not crash the process, and the next call works", async () => {
    const store = postgres({ url, createTable: true, connection: { application_name: "victim" } });
    await Promise.all(Array.from({ length: 10 }, () => store.time!()));
    const { rowCount } = await admin.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'victim'",
    );
    assert.equal(rowCount, 10);
    await sleep(50);
    await useEveryMethod(store);
    await store.close();
  });

  // The first pool is the store's own. The others are given: without a limit for statements, and with one.
  const silenced = { application_name: "silenced", max: 2 };
  const pools: [name: string, options: object | undefined, expected: RegExp][] = [
    ["the store's own pool", undefined, /did not give its time within 500 ms/],
    ["a pool without query_timeout", silenced, /did not give its time within 500 ms/],
    ["a pool with query_timeout", { ...silenced, query_timeout: 400 }, /Query read timeout/],
  ];
  for (const [name, options, expected] of pools) {
    test(`a server that does not answer is an error, and does not use up the connections: ${name}`, async () => {
      const pool = options && new pg.Pool({ connectionString: url, connectionTimeoutMillis: 500, ...options });
      const store = postgres({ ...(pool ? { pool } : { url, connection: silenced }), timeout: 500 });
      await Promise.all([store.time!(), store.time!()]);
      const { rows } = await admin.query("SELECT pid FROM pg_stat_activity WHERE application_name = 'silenced'");
      assert.equal(rows.length, 2);
      const signal = (name: NodeJS.Signals) => {
        for (const { pid } of rows) process.kill(pid, name);
      };
      // Each connection has a process in a group of its own, and the server's process makes new ones.
      server.pause();
      signal("SIGSTOP");
      try {
        const calls = Array.from({ length: 6 }, () => store.time!());
        const answers = await Promise.allSettled(calls);
        for (const answer of answers) assert.equal(answer.status, "rejected");
        for (const answer of answers.slice(0, 2))
          assert.match(String((answer as PromiseRejectedResult).reason), expected);
      } finally {
        signal("SIGCONT");
        server.resume();
      }
      await waitFor("the store", () => useEveryMethod(store).then(() => true), 10_000);
      await store.close();
      await pool?.end();
    });
  }

  test("a listener is notified that changes may have been missed", async () => {
    const store = postgres({ url, createTable: true, notify: true, connection: { application_name: "watcher" } });
    const states: boolean[] = [];
    const changes: SessionChange[] = [];
    const stop = await store.watch!(
      (change) => changes.push(change),
      (listening) => states.push(listening),
    );
    await admin.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'watcher'");
    await waitFor("the subscription", () => states.length === 2, 10_000);
    assert.deepEqual(states, [false, true]);
    const key = newKey();
    await waitFor("a write", () => store.create(key, session()).then(() => true));
    await waitFor("its report", () => changes.some((change) => change.key === key), 5_000);
    await stop();
    await store.close();
  });

  test("the package is loaded when the store is made", () =>
    assertPackageIsPreloaded("pg", "../../../src/stores/postgres/index.ts", 'store.postgres({ url: "postgres://x" })'));

  test("a missing package is an error with the install command", async () => {
    const code = `const { postgres } = await import("../../../src/stores/postgres/index.ts"); postgres({ url: "postgres://x" })`;
    assert.match(await readWithoutPackage("pg", code), /COATCHECK_PEER .*npm install pg/);
  });
});
