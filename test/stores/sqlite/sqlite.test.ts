// The SQLite store.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { conformance } from "../../../src/conformance/index.ts";
import { OptionError, StoreError } from "../../../src/errors.ts";
import { type SqliteOptions, schema, sqlite } from "../../../src/stores/sqlite/index.ts";
import {
  assertNamesRefused,
  HOSTILE_NAMES,
  newKey,
  readWithoutPackage,
  session,
  text,
  useEveryMethod,
} from "../../fixtures/sql/kit.ts";
import makeStore from "../../fixtures/sql/sqlite.ts";
import { tempDir } from "../../servers/process.ts";

const dir = tempDir("sqlite");
const path = join(dir, "sessions.db");
process.env.TEST_SQLITE_PATH = path;

describe("conformance", () => {
  for (const { name, run } of conformance(makeStore, {
    list: true,
    claimExpired: true,
    watch: false,
    processes: new URL("../../fixtures/sql/sqlite.ts", import.meta.url),
  })) {
    test(name, run);
  }
});

describe("table names", () => {
  for (const table of HOSTILE_NAMES) {
    test(`are quoted: ${table}`, async () => {
      const store = sqlite({ path, table });
      await useEveryMethod(store);
      await store.close();
      const database = new DatabaseSync(path);
      assert.ok(database.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?").get(table));
      database.close();
    });
  }

  test("that are not valid are refused", () => {
    assertNamesRefused(({ table, schema }) => sqlite({ path, table: (table ?? schema)! }));
  });
});

describe("the table", () => {
  test("can be created by the statements of schema(), also twice", async () => {
    const database = new DatabaseSync(path);
    database.exec(schema({ table: "my sessions" }));
    database.exec(schema({ table: "my sessions" }));
    database.close();
    const store = sqlite({ path, table: "my sessions", createTable: false });
    await useEveryMethod(store);
    await store.close();
  });

  test("that is missing is an error that says how to create it", async () => {
    const store = sqlite({ path, table: "nowhere", createTable: false });
    await assert.rejects(store.read("k"), (error) => error instanceof StoreError && /schema\(\)/.test(error.message));
    await assert.rejects(store.touch("k", Date.now()), StoreError);
    await store.close();
  });

  test("is created once by stores that open concurrently", async () => {
    const fresh = join(dir, "fresh.db");
    const stores = Array.from({ length: 8 }, () => sqlite({ path: fresh }));
    await Promise.all(stores.map((store) => store.create(newKey(), session())));
    await Promise.all(stores.map((store) => store.close()));
  });

  test("with rows that were edited by hand gives errors, not wrong sessions", async () => {
    const store = sqlite({ path, table: "edited" });
    const keys = [newKey(), newKey()];
    for (const key of keys) await store.create(key, session());
    const database = new DatabaseSync(path);
    database.prepare("UPDATE edited SET version = 9007199254740993, owner = '' WHERE key = ?").run(keys[0]!);
    database.close();
    await assert.rejects(store.read(keys[0]!), StoreError);
    assert.ok(await store.read(keys[1]!));
    assert.equal(await store.delete(keys[0]!), true);
    await store.close();
  });
});

describe("a database of the application", () => {
  test("stays open", async () => {
    const database = new DatabaseSync(":memory:");
    const store = sqlite({ database, createTable: true });
    await useEveryMethod(store);
    await store.close();
    await assert.rejects(store.read("k"), /closed/);
    assert.ok(database.prepare("SELECT 1").get());
  });

  test("keeps the application's transaction", async () => {
    const database = new DatabaseSync(":memory:");
    const store = sqlite({ database, createTable: true });
    await store.read("k");
    database.exec("CREATE TABLE own (x); BEGIN; INSERT INTO own VALUES (1)");
    await assert.rejects(store.create(newKey(), session()), StoreError);
    database.exec("COMMIT");
    assert.ok(database.prepare("SELECT x FROM own").get());
    await useEveryMethod(store);
    await store.close();
  });
});

test("wrong options are refused", () => {
  const database = new DatabaseSync(":memory:");
  const wrong = [{}, { path, database }, { path, durability: "none" }, { path, timeout: "soon" }];
  for (const options of wrong) assert.throws(() => sqlite(options as SqliteOptions), OptionError);
});

describe("concurrent writes", () => {
  test("each get their own result, and a refused one does not affect the others", async () => {
    const store = sqlite({ path, table: "many" });
    const sessions = await Promise.all(
      Array.from({ length: 300 }, async (_, index) => {
        const key = newKey();
        return { key, version: (await store.create(key, session())) as number, index };
      }),
    );
    const answers = await Promise.all(
      sessions.map(({ key, version, index }) => {
        const value = Buffer.from(`${index}`);
        if (index % 10 === 0)
          return store.update(key, session({ value, expiresAt: Number.NaN }), version).catch(String);
        return store.update(key, session({ value }), index % 3 ? version : version - 1);
      }),
    );
    for (const { key, version, index } of sessions) {
      const answer = answers[index];
      if (index % 10 === 0) assert.match(String(answer), /StoreError/);
      else assert.equal(answer, index % 3 ? version + 1 : "conflict");
      const written = answer === version + 1;
      assert.equal(text((await store.read(key))?.value), written ? `${index}` : "coat");
    }
    await store.close();
  });

  test("are committed before close resolves", async () => {
    const store = sqlite({ path, table: "closing" });
    await store.read("k");
    const keys = Array.from({ length: 300 }, newKey);
    const writes = keys.map((key) => store.create(key, session()));
    await sleep(0);
    await store.close();
    await Promise.all(writes);
    const again = sqlite({ path, table: "closing" });
    for (const key of keys) assert.ok(await again.read(key));
    await again.close();
  });
});

describe("a file that another process has locked", () => {
  test("delays writes, but neither the event loop nor reads", async () => {
    const store = sqlite({ path, table: "busy" });
    const key = newKey();
    await store.create(key, session());
    const other = new DatabaseSync(path);
    other.exec("BEGIN IMMEDIATE");
    let turns = 0;
    const ticking = setInterval(() => turns++, 5);
    const write = store.touch(key, Date.now() + 60_000);
    await sleep(200);
    assert.ok(turns > 5);
    assert.ok(await store.read(key));
    other.exec("COMMIT");
    assert.equal(await write, true);
    clearInterval(ticking);
    other.close();
    await store.close();
  });

  test("is an error after the timeout, and works again later", async () => {
    const store = sqlite({ path, table: "busy", timeout: 100 });
    await store.read("k");
    const other = new DatabaseSync(path);
    other.exec("BEGIN IMMEDIATE");
    await assert.rejects(
      store.create(newKey(), session()),
      (error) => error instanceof StoreError && /lock/.test(error.message),
    );
    other.exec("ROLLBACK");
    other.close();
    await useEveryMethod(store);
    await store.close();
  });
});

describe("faults", () => {
  test("a file that is not a database is an error", async () => {
    const broken = join(dir, "broken.db");
    writeFileSync(broken, "not a database, but long enough to look like one ".repeat(100));
    const store = sqlite({ path: broken });
    await assert.rejects(store.read("k"), StoreError);
    await assert.rejects(store.create("k", session()), StoreError);
    await store.close();
  });

  test("a missing directory is an error", async () => {
    const store = sqlite({ path: join(dir, "nowhere", "x.db") });
    await assert.rejects(store.read("k"), StoreError);
    await store.close();
  });

  test("a Node.js without SQLite is an error", async () => {
    const code = `const { sqlite } = await import("../../../src/stores/sqlite/index.ts"); sqlite({ path: ":memory:" })`;
    assert.match(await readWithoutPackage("node:sqlite", code), /COATCHECK_PEER/);
  });
});
