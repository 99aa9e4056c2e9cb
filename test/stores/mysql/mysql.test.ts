// The MySQL store, against a real MariaDB server.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Pool as CallbackPool, createPool as createCallbackPool } from "mysql2";
import { createPool, type PoolConnection } from "mysql2/promise";
import { conformance } from "../../../src/conformance/index.ts";
import { OptionError, StoreError } from "../../../src/errors.ts";
import { type MysqlPool, mysql, schema } from "../../../src/stores/mysql/index.ts";
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
import makeStore from "../../fixtures/sql/mysql.ts";
import { startMariadb } from "../../servers/mariadb.ts";
import { waitFor } from "../../servers/process.ts";

const server = await startMariadb();
const { url } = server;
process.env.TEST_MYSQL_URL = url;
const admin = createPool({ uri: url, multipleStatements: true });
after(async () => {
  await admin.end();
  await server.stop();
});

describe("conformance", () => {
  for (const { name, run } of conformance(makeStore, {
    list: true,
    claimExpired: true,
    watch: false,
    processes: new URL("../../fixtures/sql/mysql.ts", import.meta.url),
    outage: { stop: () => server.stop(), start: () => server.start() },
  })) {
    test(name, run);
  }
});

describe("table names", () => {
  for (const name of HOSTILE_NAMES) {
    test(`are quoted: ${name}`, async () => {
      await admin.query("CREATE DATABASE ??", [name]);
      const store = mysql({ url, schema: name, table: name, createTable: true });
      await useEveryMethod(store);
      await store.close();
      const [rows] = await admin.query(
        "SELECT 1 FROM information_schema.tables WHERE table_schema = ? AND table_name = ?",
        [name, name],
      );
      assert.equal((rows as unknown[]).length, 1);
    });
  }

  test("that are not valid are refused", () => assertNamesRefused((names) => mysql({ url, ...names })));
});

describe("the table", () => {
  test("can be created by the statements of schema(), also twice", async () => {
    const names = { table: "my sessions" };
    await admin.query(schema(names));
    await admin.query(schema(names));
    const store = mysql({ url, ...names });
    await useEveryMethod(store);
    await store.close();
  });

  test("that is missing is an error that says how to create it", async () => {
    const store = mysql({ url, table: "nowhere" });
    await assert.rejects(store.read("k"), (error) => error instanceof StoreError && /schema\(\)/.test(error.message));
    await store.close();
  });

  test("is created once by servers that start concurrently", async () => {
    const stores = Array.from({ length: 8 }, () => mysql({ url, table: "together", createTable: true }));
    await Promise.all(stores.map((store) => store.read("k")));
    await Promise.all(stores.map((store) => store.close()));
  });

  test("can be used by an account without the right to create it", async () => {
    await admin.query(schema({ table: "granted" }));
    await admin.query("CREATE USER shop; GRANT SELECT, INSERT, UPDATE, DELETE ON test.granted TO shop");
    const store = mysql({ url: url.replace("root@", "shop@"), table: "granted", createTable: true });
    await useEveryMethod(store);
    await store.close();
  });

  test("with rows that were edited by hand gives errors, not wrong sessions", async () => {
    const store = mysql({ url, table: "edited", createTable: true });
    const keys = [newKey(), newKey()];
    for (const key of keys) await store.create(key, session());
    await admin.query("UPDATE edited SET version = 9007199254740993, value = '', owner = 0xff00 WHERE `key` = ?", [
      keys[0],
    ]);
    await assert.rejects(store.read(keys[0]!), StoreError);
    assert.ok(await store.read(keys[1]!));
    assert.equal(await store.delete(keys[0]!), true);
    await store.close();
  });

  test("never stores a truncated key or owner, in any mode of the server", async () => {
    const store = mysql({ url, table: "exact", createTable: true, connection: { flags: ["-FOUND_ROWS"] } });
    await admin.query("SET GLOBAL sql_mode = ''");
    try {
      await assert.rejects(store.create("k".repeat(256), session()), StoreError);
      await assert.rejects(store.create("ключ".repeat(50), session()), StoreError);
      await assert.rejects(store.create(newKey(), session({ owner: "o".repeat(1025) })), StoreError);
      assert.notEqual(await store.create("k".repeat(255), session({ owner: "o".repeat(1024) })), "exists");
    } finally {
      await admin.query("SET GLOBAL sql_mode = DEFAULT");
    }
    await store.close();
  });
});

describe("a pool of the application", () => {
  const settings = {
    uri: url,
    connectionLimit: 3,
    flags: ["-FOUND_ROWS"],
    supportBigNumbers: true,
    bigNumberStrings: true,
    namedPlaceholders: true,
    rowsAsArray: true,
    typeCast: () => "not what the store expects",
  };
  const pools = { mysql2: createCallbackPool(settings), "mysql2/promise": createPool(settings) };
  for (const [from, pool] of Object.entries(pools)) {
    test(`by ${from} stays open, and the application's settings do not affect the store`, async () => {
      const store = mysql({ pool, createTable: true, table: "handed" });
      await useEveryMethod(store);
      const key = newKey();
      const { expiresAt } = session();
      await store.create(key, session({ expiresAt }));
      // Without FOUND_ROWS, the server does not count an unchanged row.
      assert.equal(await store.touch(key, expiresAt), true);
      await store.close();
      await assert.rejects(store.read("k"), /closed/);
      const promised = "promise" in pool ? (pool as CallbackPool).promise() : pool;
      await promised.query("SELECT 1");
      await promised.end();
    });
  }

  test("excludes the options that name the database, and one of them is needed", () => {
    assert.throws(() => mysql({ pool: admin, url }), OptionError);
    assert.throws(() => mysql({}), OptionError);
  });
});

test("round trips: one for each method, two for a refused update", async () => {
  let count = 0;
  const pool = createPool({ uri: url });
  const counting: MysqlPool = {
    end: () => pool.end(),
    async getConnection() {
      const connection = await pool.getConnection();
      return {
        execute(query) {
          count++;
          return connection.execute(query);
        },
        query(query) {
          count++;
          return connection.query(query);
        },
        release: () => connection.release(),
        destroy: () => connection.destroy(),
      };
    },
  };
  await admin.query(schema({ table: "counted" }));
  const store = mysql({ pool: counting, table: "counted" });
  async function cost(call: Promise<unknown>): Promise<number> {
    const before = count;
    await call;
    return count - before;
  }
  // The first call also asks for the size of the largest statement.
  assert.equal(await cost(store.read("k")), 2);
  const key = newKey();
  assert.equal(await cost(store.create(key, session())), 1);
  const { version } = (await store.read(key)) as { version: number };
  assert.equal(await cost(store.read(key)), 1);
  assert.equal(await cost(store.update(key, session(), version)), 1);
  assert.equal(await cost(store.update(key, session(), version)), 2);
  assert.equal(await cost(store.touch(key, Date.now() + 60_000)), 1);
  assert.equal(await cost(store.delete(key)), 1);
  assert.equal(await cost(store.claimExpired!(Date.now(), 100)), 4);
  // A hundred concurrent calls: at most 64 share a statement; updates share a transaction with a read and a write. A
  // statement for new sessions takes only certain numbers of rows: here 64, 32 and 4.
  const keys = Array.from({ length: 100 }, newKey);
  assert.equal(await cost(Promise.all(keys.map((one) => store.read(one)))), 2);
  const creations = keys.map((one) => store.create(one, session()));
  assert.equal(await cost(Promise.all(creations)), 3);
  const versions = (await Promise.all(creations)) as number[];
  assert.equal(await cost(Promise.all(keys.map((one, index) => store.update(one, session(), versions[index]!)))), 8);
  // So do deletes.
  assert.equal(await cost(Promise.all(keys.map((one) => store.delete(one)))), 8);
  assert.equal(await cost(store.time!()), 1);
  await pool.end();
});

describe("concurrent calls", () => {
  testConcurrentCalls(
    () => mysql({ url, table: "many", createTable: true }),
    async (key) => {
      const lockHolder = await admin.getConnection();
      await lockHolder.query("START TRANSACTION");
      await lockHolder.query("DELETE FROM many WHERE `key` = ?", [key]);
      return async () => {
        await lockHolder.query("ROLLBACK");
        lockHolder.release();
      };
    },
  );
});

test("claimExpired skips locked rows, and blocks no other call", async () => {
  const store = mysql({ url, table: "swept", createTable: true });
  const keys = Array.from({ length: 5 }, newKey);
  for (const key of keys) await store.create(key, session({ expiresAt: Date.now() - 1 }));
  const lockHolder: PoolConnection = await admin.getConnection();
  await lockHolder.query("START TRANSACTION");
  await lockHolder.query("SELECT * FROM swept WHERE `key` = ? FOR UPDATE", [keys[0]]);
  const claimed = (await store.claimExpired!(Date.now(), 10)).map(({ key }) => key);
  assert.deepEqual(claimed.sort(), keys.slice(1).sort());
  await useEveryMethod(store);
  await lockHolder.query("ROLLBACK");
  lockHolder.release();
  assert.equal((await store.claimExpired!(Date.now(), 10)).length, 1);
  await store.close();
});

describe("faults", () => {
  test("idle connections that break do not crash the process, and the next call works", async () => {
    const store = mysql({ url, createTable: true });
    await Promise.all(Array.from({ length: 10 }, () => store.touch(newKey(), Date.now())));
    const [rows] = await admin.query("SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID()");
    for (const { id } of rows as { id: number }[]) await admin.query("KILL ?", [id]).catch(() => {});
    await sleep(50);
    await useEveryMethod(store);
    await store.close();
  });

  test("a server that does not answer is an error, and does not use up the connections", async () => {
    const store = mysql({ url, createTable: true, timeout: 500, connection: { connectionLimit: 2 } });
    await Promise.all([store.read("k"), store.read("k")]);
    server.pause();
    await sleep(100); // until each thread of the server stands still
    try {
      const calls = Array.from({ length: 4 }, () => store.touch(newKey(), Date.now()));
      for (const { status } of await Promise.allSettled(calls)) assert.equal(status, "rejected");
    } finally {
      server.resume();
    }
    await waitFor("the store", () => useEveryMethod(store).then(() => true), 10_000);
    await store.close();
  });

  test("the package is loaded when the store is made", () =>
    assertPackageIsPreloaded("mysql2", "../../../src/stores/mysql/index.ts", 'store.mysql({ url: "mysql://x" })'));

  test("a missing package is an error with the install command", async () => {
    const code = `const { mysql } = await import("../../../src/stores/mysql/index.ts"); mysql({ url: "mysql://x" })`;
    assert.match(await readWithoutPackage("mysql2", code), /COATCHECK_PEER .*npm install mysql2/);
  });
});
