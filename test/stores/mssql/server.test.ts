// The store for SQL Server with its real client: against a TDS server of the tests, and against SQL Server if there is one.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import sql from "mssql";
import { conformance } from "../../../src/conformance/index.ts";
import { mssql, schema } from "../../../src/stores/mssql/index.ts";
import {
  assertNamesRefused,
  HOSTILE_NAMES,
  newKey,
  session,
  testConcurrentCalls,
  text,
  useEveryMethod,
} from "../../fixtures/sql/kit.ts";
import makeStore from "../../fixtures/sql/mssql.ts";
import { createTdsDatabase } from "../../fixtures/sql/tds-database.ts";
import { startTds } from "../../servers/tds.ts";

const MODULE = new URL("../../fixtures/sql/mssql.ts", import.meta.url);

describe("the TDS server of the tests", async () => {
  const tds = await startTds();
  const database = createTdsDatabase();
  tds.answer = database.answer;
  const { connectionString } = tds;
  after(() => tds.stop());

  describe("that sends no row counts: conformance", () => {
    before(() => {
      process.env.TEST_MSSQL = connectionString;
      database.sendsCounts = false;
    });
    after(() => {
      database.sendsCounts = true;
    });
    for (const { name, run } of conformance(makeStore, {
      list: true,
      claimExpired: true,
      watch: false,
      processes: MODULE,
      outage: { stop: () => tds.stop(), start: () => tds.start() },
    })) {
      test(name, run);
    }
  });

  describe("concurrent calls", () => {
    testConcurrentCalls(
      () => mssql({ connectionString, createTable: true }),
      async (key) => database.lockRow(key),
    );
  });

  testNames(connectionString);

  for (const sendsCounts of [true, false]) {
    describe(`that ${sendsCounts ? "sends row counts" : "sends no row counts"}`, () => {
      before(() => {
        database.sendsCounts = sendsCounts;
      });
      test("an update, a touch and a delete say what they did, also in a given pool", async () => {
        const pool = new sql.ConnectionPool(sql.ConnectionPool.parseConnectionString(connectionString));
        for (const store of [mssql({ connectionString, createTable: true }), mssql({ pool, createTable: true })]) {
          await assertAnswers(store);
          await store.close();
        }
        await pool.close();
      });
    });
  }

  test("sends the server's time, by which sessions live and end", async () => {
    const store = mssql({ connectionString, createTable: true, table: "clock" });
    for (const offset of [-3_600_000, 3_600_000]) {
      database.clock = () => Date.now() + offset;
      const now = await store.time!();
      assert.ok(Math.abs(now - Date.now() - offset) < 60_000);
      const [ended, alive] = [newKey(), newKey()];
      await store.create(ended, session({ expiresAt: now - 1 }));
      const version = (await store.create(alive, session({ expiresAt: now + 60_000 }))) as number;
      assert.equal(await store.read(ended), undefined);
      assert.equal(await store.touch(ended, now + 60_000), false);
      assert.equal(await store.touch(alive, now + 60_000), true);
      assert.equal(await store.update(alive, session({ expiresAt: now + 60_000 }), version), version + 1);
      // A caller whose own clock is ahead ends nothing that lives.
      const claimed = (await store.claimExpired!(now + 7_200_000, 1000)).map(({ key }) => key);
      assert.deepEqual([claimed.includes(ended), claimed.includes(alive)], [true, false]);
      assert.equal(await store.delete(alive), true);
    }
    database.clock = Date.now;
    await store.close();
  });
});

const given = process.env.COATCHECK_TEST_MSSQL;
describe("SQL Server", { skip: given === undefined && "COATCHECK_TEST_MSSQL names no server" }, () => {
  const connectionString = given!;
  let admin: sql.ConnectionPool;
  before(async () => {
    process.env.TEST_MSSQL = connectionString;
    admin = await new sql.ConnectionPool(sql.ConnectionPool.parseConnectionString(connectionString)).connect();
  });
  after(() => admin.close());

  describe("conformance", () => {
    for (const { name, run } of conformance(makeStore, {
      list: true,
      claimExpired: true,
      watch: false,
      processes: MODULE,
    })) {
      test(name, run);
    }
  });

  testConcurrentCalls(
    () => mssql({ connectionString, createTable: true }),
    async (key) => {
      const transaction = admin.transaction();
      await transaction.begin();
      const request = transaction.request().input("key", sql.VarBinary(255), Buffer.from(key));
      await request.query("DELETE FROM coatcheck_sessions WHERE [key] = @key");
      return () => transaction.rollback().then(() => {});
    },
  );

  testNames(connectionString);

  test("an update, a touch and a delete say what they did on a connection without row counts", async () => {
    const config = sql.ConnectionPool.parseConnectionString(connectionString) as sql.config;
    const pool = await new sql.ConnectionPool({ ...config, pool: { max: 1 } }).connect();
    await pool.request().batch("SET NOCOUNT ON");
    const store = mssql({ pool, createTable: true });
    await assertAnswers(store);
    await store.close();
    await pool.close();
  });

  test("the table is created once by servers that start concurrently, and missing indexes are added", async () => {
    const table = `together_${newKey().replace(/\W/g, "_")}`;
    const stores = Array.from({ length: 8 }, () => mssql({ connectionString, table, createTable: true }));
    await Promise.all(stores.map((store) => store.read("k")));
    await Promise.all(stores.map((store) => store.close()));
    for (const index of ["owner", "expires_at"]) {
      await admin.request().batch(`DROP INDEX [${table}_${index}] ON [${table}]`);
      await admin.request().batch(schema({ table }));
      await admin.request().batch(schema({ table }));
      await admin.request().batch(`DROP INDEX [${table}_${index}] ON [${table}]`);
    }
    await admin.request().batch(`DROP TABLE [${table}]`);
  });
});

function testNames(connectionString: string): void {
  for (const table of HOSTILE_NAMES) {
    test(`table names are quoted: ${table}`, async () => {
      const store = mssql({ connectionString, table, createTable: true });
      await useEveryMethod(store);
      await store.close();
    });
  }

  test("table names that are not valid are refused", () => {
    assertNamesRefused((names) => mssql({ connectionString, ...names }));
  });
}

/** Counts three times, as the core does, and asks each method for what it did. */
async function assertAnswers(store: ReturnType<typeof mssql>): Promise<void> {
  const key = newKey();
  let version = await store.create(key, session({ value: Buffer.from("0"), owner: "ann" }));
  for (let count = 1; count <= 3; count++) {
    version = await store.update(key, session({ value: Buffer.from(String(count)) }), version);
    assert.equal(typeof version, "number");
  }
  assert.equal(text((await store.read(key))?.value), "3");
  assert.equal(await store.update(key, session(), (version as number) - 1), "conflict");
  assert.equal(await store.touch(key, session().expiresAt), true);
  assert.equal(await store.delete(key, (version as number) - 1), false);
  assert.equal(await store.delete(key, version), true);
  assert.equal(await store.update(key, session(), version), "gone");
  assert.equal(await store.touch(key, session().expiresAt), false);
  assert.equal(await store.delete(key), false);
}
