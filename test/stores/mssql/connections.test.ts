// How the store for SQL Server connects, and what it makes of a server that refuses, fails over or is silent.

import assert from "node:assert/strict";
import { after, beforeEach, describe, test } from "node:test";
import { inspect } from "node:util";
import sql from "mssql";
import { StoreError } from "../../../src/errors.ts";
import type { SessionStore } from "../../../src/store.ts";
import { type MssqlOptions, mssql } from "../../../src/stores/mssql/index.ts";
import { loadedPackages, newKey, readWithoutPackage, session } from "../../fixtures/sql/kit.ts";
import { createTdsDatabase } from "../../fixtures/sql/tds-database.ts";
import { waitFor } from "../../servers/process.ts";
import { startTds, type TdsAnswer } from "../../servers/tds.ts";

const tds = await startTds();
after(() => tds.stop());
const { connectionString } = tds;
const table = "test";
let database = createTdsDatabase();

beforeEach(() => {
  database = createTdsDatabase();
  tds.answer = database.answer;
  tds.login = () => undefined;
  tds.acknowledgesAttention = true;
});

async function withStore<Result>(
  options: Partial<MssqlOptions>,
  work: (store: SessionStore) => Promise<Result>,
): Promise<Result> {
  const store = mssql({ ...(options.pool === undefined && { connectionString }), table, ...options });
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

function makePool(settings: object = {}): sql.ConnectionPool {
  const config = sql.ConnectionPool.parseConnectionString(connectionString) as sql.config;
  return new sql.ConnectionPool({ ...config, ...settings });
}

/** The error of a call that must fail. */
async function errorOf(call: Promise<unknown>): Promise<StoreError> {
  const error = await call.then(
    () => assert.fail("the call must fail"),
    (error) => error,
  );
  assert.ok(error instanceof StoreError, inspect(error));
  return error;
}

test("each method is one message to the server, and a refused update two", () =>
  withStore({ createTable: true }, async (store) => {
    await store.read("connect");
    const cost = async (call: () => Promise<unknown>) => {
      tds.take();
      await call();
      return tds.take().length;
    };
    const key = newKey();
    let version = 0;
    assert.equal(await cost(async () => (version = (await store.create(key, session())) as number)), 1, "create");
    assert.equal(await cost(() => store.read(key)), 1, "read");
    assert.equal(await cost(() => Promise.all([1, 2, 3].map(() => store.read(key)))), 1, "several reads");
    assert.equal(await cost(() => store.touch(key, session().expiresAt)), 1, "touch");
    assert.equal(await cost(async () => (version = (await store.update(key, session(), version)) as number)), 1);
    assert.equal(await cost(() => store.update(key, session(), version - 1)), 2, "refused update");
    assert.equal(await cost(() => store.time!()), 1, "time");
    assert.equal(await cost(() => store.claimExpired!(Date.now(), 100)), 1, "claimExpired");
    assert.equal(await cost(() => store.delete(key)), 1, "delete");
  }));

describe("a first use that fails", () => {
  const refusal: TdsAnswer = { error: { number: 262, message: "CREATE TABLE permission denied in database 'test'." } };

  test("leaves no connection, however often it is tried", async () => {
    tds.answer = ({ text }) => (text.includes("CREATE TABLE") ? refusal : {});
    const store = mssql({ connectionString, createTable: true });
    for (let i = 0; i < 5; i++) {
      const { message, applied } = await errorOf(store.create("k", session()));
      assert.match(message, /permission denied in database 'test'/);
      assert.equal(applied, false);
    }
    // Before the store is closed: nothing is left to close.
    await waitFor("the connections to end", () => tds.connections === 0, 5_000);
    await store.close();
  });

  test("leaves no connection after a refused login, and says the reason", async () => {
    tds.login = () => ({ number: 18456, message: "Login failed for user 'u'.", class: 14 });
    const store = mssql({ connectionString });
    for (let i = 0; i < 5; i++) {
      const error = await errorOf(store.create("k", session()));
      assert.equal(error.message, "coatcheck: SQL Server failed to create: Login failed for user 'u'.");
      assert.ok(error.cause instanceof Error);
      assert.equal(error.applied, false);
    }
    await waitFor("the connections to end", () => tds.connections === 0, 5_000);
    tds.login = () => undefined;
    assert.match((await errorOf(store.read("k"))).message, /no table/);
    await store.close();
  });

  test("leaves no listener on a given pool, and the pool open", async () => {
    const pool = makePool();
    tds.answer = ({ text }) => (text.includes("CREATE TABLE") ? refusal : database.answer({ text, values: {} }));
    const store = mssql({ pool, createTable: true });
    for (let i = 0; i < 5; i++) await errorOf(store.read("k"));
    assert.equal(pool.listenerCount("error"), 0);
    tds.answer = database.answer;
    for (let i = 0; i < 5; i++) await store.read("k");
    assert.equal(pool.listenerCount("error"), 1);
    await store.close();
    assert.equal(pool.listenerCount("error"), 0);
    assert.equal(pool.connected, true);
    await pool.close();
  });
});

describe("the table", () => {
  const exists: TdsAnswer = { error: { number: 2714, message: "There is already an object named 'test'." } };
  for (const refusals of [2, 3]) {
    test(`is created in one transaction, by three attempts, of which ${refusals} fail`, async () => {
      let attempts = 0;
      tds.answer = (request) => {
        if (!request.text.includes("CREATE TABLE")) return database.answer(request);
        assert.match(request.text, /^SET QUOTED_IDENTIFIER ON;.*\nSET XACT_ABORT ON;.*\nBEGIN TRANSACTION;\n/);
        assert.match(request.text, /\nCOMMIT TRANSACTION;\n$/);
        return attempts++ < refusals ? exists : database.answer(request);
      };
      await withStore({ createTable: true }, async (store) => {
        if (refusals === 3) assert.match((await errorOf(store.read("k"))).message, /already an object/);
        assert.equal(await store.read("k"), undefined);
      });
      assert.equal(attempts, refusals + 1);
    });
  }
});

describe("a silent server", () => {
  // The whole call has one limit, so its error is always the store's own, and never one of the steps below it.
  const late = /^coatcheck: SQL Server did not \w+ within 400 ms$/;

  test("fails each of many calls when their own time is over", async () => {
    for (const given of [false, true]) {
      // A pool that asks the server before each statement would wait for that answer by a limit of its own.
      const pool = given ? await makePool({ validateConnection: false }).connect() : undefined;
      await withStore({ timeout: 400, createTable: true, ...(pool && { pool }) }, async (store) => {
        await store.read("connect");
        tds.answer = () => "silence";
        tds.take();
        const calls = Array.from({ length: 40 }, (_, index) => [
          store.create(`key ${index}`, session()),
          store.touch(`key ${index}`, 1),
          store.update(`key ${index}`, session(), 1),
          store.delete(`key ${index}`),
        ]).flat();
        for (let i = 0; i < 40; i++) {
          calls.push(store.read(`key ${i}`) as Promise<never>);
          if (i % 8 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
        }
        for (const call of calls) assert.match((await errorOf(call)).message, late);
        tds.answer = database.answer;
        await store.touch("k", 1);
        const sent = tds.messages.filter(({ text = "" }) => text.includes("INSERT"));
        assert.ok(sent.length <= 10, "no call is sent after its time is over");
      });
      await pool?.close();
    }
  });

  test("that acknowledges the cancellation keeps the connection", () =>
    withStore({ timeout: 400, createTable: true }, async (store) => {
      await store.read("connect");
      tds.answer = () => "silence";
      tds.take();
      assert.match((await errorOf(store.touch("k", 1))).message, late);
      await waitFor("an attention", () => tds.messages.some(({ type }) => type === "attention"));
      tds.answer = database.answer;
      assert.equal(await store.touch("k", 1), false);
      assert.deepEqual(new Set(tds.messages.map(({ connection }) => connection)).size, 1);
    }));

  test("that does not acknowledge it loses the connection", () =>
    withStore({ timeout: 400, createTable: true }, async (store) => {
      await store.read("connect");
      tds.answer = () => "silence";
      tds.acknowledgesAttention = false;
      assert.match((await errorOf(store.touch("k", 1))).message, late);
      await waitFor("the connection to end", () => tds.connections === 0);
      tds.answer = database.answer;
      assert.equal(await store.touch("k", 1), false);
    }));

  test("at the login is an error in time, too", async () => {
    tds.login = () => "silence";
    await withStore({ timeout: 400 }, async (store) => {
      assert.match((await errorOf(store.touch("k", 1))).message, /within 400 ms|in 400ms/);
    });
  });
});

describe("a server that refuses", () => {
  for (const given of [false, true]) {
    test(`after a failover is left for the new primary${given ? ", also by a given pool" : ""}`, async () => {
      const pool = given ? await makePool().connect() : undefined;
      await withStore({ createTable: true, ...(pool && { pool }) }, async (store) => {
        const key = newKey();
        const version = (await store.create(key, session())) as number;
        tds.take();
        // The connections of before lead to a server that is now read-only.
        let refused = 0;
        const readOnly = { error: { number: 3906, message: 'Failed to update database "test": it is read-only.' } };
        const logins = tds.messages.length;
        const isNew = () => tds.messages.slice(logins).some(({ type }) => type === "login");
        tds.answer = (request) => {
          const isWrite = /UPDATE|DELETE|INSERT/.test(request.text);
          if (!isWrite || isNew()) return database.answer(request);
          refused++;
          return readOnly;
        };
        const error = await errorOf(store.update(key, session(), version));
        assert.deepEqual([error.applied, error.refusesWrites], [false, true]);
        assert.ok(await store.read(key), "reads go on");
        assert.equal(await store.update(key, session(), version), version + 1);
        assert.equal(refused, 1);
      });
      await pool?.close();
    });
  }

  test("is reported with what is certain of the write", () =>
    withStore({ createTable: true }, async (store) => {
      await store.read("connect");
      const refusesWrites = [3906, 1105, 9002, 40544];
      for (const number of [...refusesWrites, 976, 978, 983, 40613, 229, 208, 1222, 10928, 8134, 40197]) {
        tds.answer = () => ({ error: { number, message: "refused" } });
        const isCertain = ![8134, 40197].includes(number);
        const write = await errorOf(store.update("k", session(), 1));
        assert.equal(write.applied, isCertain ? false : undefined, String(number));
        assert.equal(write.refusesWrites, refusesWrites.includes(number) || undefined, String(number));
        assert.equal((await errorOf(store.read("k"))).refusesWrites, undefined);
      }
      tds.answer = () => "cut";
      assert.equal((await errorOf(store.update("k", session(), 1))).applied, undefined);
      await tds.stop();
      assert.equal((await errorOf(store.update("k", session(), 1))).applied, false);
      await tds.start();
    }));
});

describe("options", () => {
  test("of connection are added to those of the connection string", async () => {
    tds.messages.length = 0;
    await withStore({ connection: { options: { appName: "shop" }, pool: { max: 3 } }, createTable: true }, (store) =>
      store.read("k"),
    );
    const prelogins = tds.messages.filter(({ type }) => type === "prelogin");
    assert.ok(prelogins.length > 0 && prelogins.every(({ encryption }) => encryption !== 1), "Encrypt=false holds");
    const logins = tds.messages.filter(({ type }) => type === "login");
    assert.ok(logins.every(({ appName }) => appName === "shop"));
  });

  test("of connection win over the connection string and over the store's own", async () => {
    tds.messages.length = 0;
    await withStore({ connection: { options: { encrypt: true }, validateConnection: true }, createTable: true }, (s) =>
      s.read("k").then(() => s.read("k")),
    );
    assert.ok(tds.messages.some(({ encryption }) => encryption === 1));
    assert.ok(tds.messages.some(({ text }) => text === "SELECT 1;"));
  });

  test("show no password in an error, also one that stands in the wrong place", async () => {
    for (const options of [
      { server: "u:sekret@localhost", database: "x", connection: { port: 1 } },
      { connectionString: "Server=u:sekret@localhost,1;Database=x;User Id=u;Password=sekret;Encrypt=false" },
      { connectionString: 'Server=localhost,1;Password="sekret' },
      { connectionString: "Server=np:localhost;Password=sekret" },
      { connection: { server: "u:sekret@localhost", port: 1, password: "sekret" } },
    ]) {
      const store = mssql({ ...options, timeout: "5s" });
      const error = await errorOf(store.read("k"));
      assert.ok(!inspect(error, { depth: 9 }).includes("sekret"), inspect(error));
      await store.close();
    }
  });
});

test("deletes of many sessions run concurrently, and each session is deleted by one call", () =>
  withStore({ createTable: true }, async (store) => {
    const keys = Array.from({ length: 64 }, newKey);
    await Promise.all(keys.map((key) => store.create(key, session())));
    const answers = await Promise.all([...keys, ...keys].map((key) => store.delete(key)));
    assert.equal(answers.filter(Boolean).length, 64);
    for (const [index, key] of keys.entries()) {
      assert.notEqual(answers[index], answers[index + 64]);
      assert.equal(await store.read(key), undefined);
    }
  }));

describe("the package", () => {
  const index = new URL("../../../src/stores/mssql/index.ts", import.meta.url);

  test("that is missing is an error of the first use", async () => {
    const printed = await readWithoutPackage(
      "mssql",
      `const { mssql } = await import("${index}");
       const store = mssql({ server: "x", database: "y" });
       store`,
    );
    assert.match(printed, /COATCHECK_PEER.*npm install mssql/);
  });

  test("is loaded when the store is made", async () => {
    const loaded = await loadedPackages(["mssql"], index, 'mssql({ server: "x", database: "y" })');
    assert.deepEqual(loaded, [[], ["mssql"]]);
  });
});
