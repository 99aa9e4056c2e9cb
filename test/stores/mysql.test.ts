import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Pool as CallbackPool, createPool as createCallbackPool } from "mysql2";
import { createPool, type PoolConnection } from "mysql2/promise";
import { conformance } from "../../src/conformance/index.ts";
import { OptionError, StoreError } from "../../src/errors.ts";
import { type MysqlPool, mysql, schema } from "../../src/stores/mysql.ts";
import { HOSTILE, live, manyAtOnce, newKey, refusesNames, session, withoutPackage } from "../fixtures/sql/kit.ts";
import makeStore from "../fixtures/sql/mysql.ts";
import { startMariadb } from "../servers/mariadb.ts";
import { waitFor } from "../servers/process.ts";

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
    processes: new URL("../fixtures/sql/mysql.ts", import.meta.url),
    outage: { stop: () => server.stop(), start: () => server.start() },
  })) {
    test(name, run);
  }
});

describe("names", () => {
  for (const name of HOSTILE) {
    test(`are quoted: ${name}`, async () => {
      await admin.query("CREATE DATABASE ??", [name]);
      const store = mysql({ url, schema: name, table: name, createTable: true });
      await live(store);
      await store.close();
      const [rows] = await admin.query(
        "SELECT 1 FROM information_schema.tables WHERE table_schema = ? AND table_name = ?",
        [name, name],
      );
      assert.equal((rows as unknown[]).length, 1);
    });
  }

  test("that can't be one are refused", () => refusesNames((names) => mysql({ url, ...names })));
});

describe("the table", () => {
  test("can be made by what schema() gives, also twice", async () => {
    const names = { table: "my sessions" };
    await admin.query(schema(names));
    await admin.query(schema(names));
    const store = mysql({ url, ...names });
    await live(store);
    await store.close();
  });

  test("that is missing is an error that says what to do", async () => {
    const store = mysql({ url, table: "nowhere" });
    await assert.rejects(store.read("k"), (error) => error instanceof StoreError && /schema\(\)/.test(error.message));
    await store.close();
  });

  test("is made once by servers that start together", async () => {
    const stores = Array.from({ length: 8 }, () => mysql({ url, table: "together", createTable: true }));
    await Promise.all(stores.map((store) => store.read("k")));
    await Promise.all(stores.map((store) => store.close()));
  });

  test("may be used by an account that can't make it", async () => {
    await admin.query(schema({ table: "granted" }));
    await admin.query("CREATE USER shop; GRANT SELECT, INSERT, UPDATE, DELETE ON test.granted TO shop");
    const store = mysql({ url: url.replace("root@", "shop@"), table: "granted", createTable: true });
    await live(store);
    await store.close();
  });

  test("with rows that somebody edited gives errors, not wrong sessions", async () => {
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

  test("never takes a part of a key or an owner, in any mode of the server", async () => {
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

describe("a pool that was handed in", () => {
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
    test(`by ${from} stays open, and its application's settings change nothing`, async () => {
      const store = mysql({ pool, createTable: true, table: "handed" });
      await live(store);
      const key = newKey();
      const { expiresAt } = session();
      await store.create(key, session({ expiresAt }));
      // Without FOUND_ROWS, the server does not count a row that was so already.
      assert.equal(await store.touch(key, expiresAt), true);
      await store.close();
      await assert.rejects(store.read("k"), /closed/);
      const promised = "promise" in pool ? (pool as CallbackPool).promise() : pool;
      await promised.query("SELECT 1");
      await promised.end();
    });
  }

  test("excludes other ways to name the database, and one is needed", () => {
    assert.throws(() => mysql({ pool: admin, url }), OptionError);
    assert.throws(() => mysql({}), OptionError);
  });
});

test("round trips: one for each method, two for an update that is refused", async () => {
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
  const key = newKey();
  const version = (await store.create(key, session())) as number;
  assert.equal(count, 1);
  assert.equal(await cost(store.read(key)), 1);
  assert.equal(await cost(store.update(key, session(), version)), 1);
  assert.equal(await cost(store.update(key, session(), version)), 2);
  assert.equal(await cost(store.touch(key, Date.now() + 60_000)), 1);
  assert.equal(await cost(store.delete(key)), 1);
  assert.equal(await cost(store.claimExpired!(Date.now(), 100)), 4);
  // A hundred at once: at most 64 share a statement, or a transaction of one that reads and one that writes. Of new
  // sessions a statement takes certain numbers: 64, and 32 + 4.
  const keys = Array.from({ length: 100 }, newKey);
  assert.equal(await cost(Promise.all(keys.map((one) => store.read(one)))), 2);
  const creations = keys.map((one) => store.create(one, session()));
  assert.equal(await cost(Promise.all(creations)), 3);
  const versions = (await Promise.all(creations)) as number[];
  assert.equal(await cost(Promise.all(keys.map((one, index) => store.update(one, session(), versions[index]!)))), 8);
  await pool.end();
});

describe("calls at once", () => {
  manyAtOnce(
    () => mysql({ url, table: "many", createTable: true }),
    async (key) => {
      const holder = await admin.getConnection();
      await holder.query("START TRANSACTION");
      await holder.query("DELETE FROM many WHERE `key` = ?", [key]);
      return async () => {
        await holder.query("ROLLBACK");
        holder.release();
      };
    },
  );
});

test("claimExpired leaves rows that somebody holds, and holds up nobody", async () => {
  const store = mysql({ url, table: "swept", createTable: true });
  const keys = Array.from({ length: 5 }, newKey);
  for (const key of keys) await store.create(key, session({ expiresAt: Date.now() - 1 }));
  const holder: PoolConnection = await admin.getConnection();
  await holder.query("START TRANSACTION");
  await holder.query("SELECT * FROM swept WHERE `key` = ? FOR UPDATE", [keys[0]]);
  const claimed = (await store.claimExpired!(Date.now(), 10)).map(({ key }) => key);
  assert.deepEqual(claimed.sort(), keys.slice(1).sort());
  await live(store);
  await holder.query("ROLLBACK");
  holder.release();
  assert.equal((await store.claimExpired!(Date.now(), 10)).length, 1);
  await store.close();
});

describe("faults", () => {
  test("connections that break while idle crash nothing, and the next call works", async () => {
    const store = mysql({ url, createTable: true });
    await Promise.all(Array.from({ length: 10 }, () => store.touch(newKey(), Date.now())));
    const [rows] = await admin.query("SELECT id FROM information_schema.processlist WHERE id <> CONNECTION_ID()");
    for (const { id } of rows as { id: number }[]) await admin.query("KILL ?", [id]).catch(() => {});
    await sleep(50);
    await live(store);
    await store.close();
  });

  test("a server that is silent is an error, and does not use up the connections", async () => {
    const store = mysql({ url, createTable: true, timeout: 500, connection: { connectionLimit: 2 } });
    await Promise.all([store.read("k"), store.read("k")]);
    server.pause();
    try {
      const calls = Array.from({ length: 4 }, () => store.touch(newKey(), Date.now()));
      for (const { status } of await Promise.allSettled(calls)) assert.equal(status, "rejected");
    } finally {
      server.resume();
    }
    await waitFor("the store", () => live(store).then(() => true), 10_000);
    await store.close();
  });

  test("a package that is missing is an error with the command that installs it", async () => {
    const code = `const { mysql } = await import("../../../src/stores/mysql.ts"); mysql({ url: "mysql://x" })`;
    assert.match(await withoutPackage("mysql2", code), /COATCHECK_PEER .*npm install mysql2/);
  });
});
