// How much the SQLite store does before others have their turn, and what it does when the disk is full.

import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, describe, test } from "node:test";
import { StoreError } from "../../../src/errors.ts";
import { schema, sqlite } from "../../../src/stores/sqlite/index.ts";
import { newKey, session, text } from "../../fixtures/sql/kit.ts";
import { tempDir } from "../../servers/process.ts";

const folder = tempDir("bounded-work");
after(() => rmSync(folder, { recursive: true, force: true }));

/** A database with this many sessions, and a store on it. */
function filled(name: string, count: number, expiresAt: number) {
  const path = join(folder, `${name}.db`);
  const database = new DatabaseSync(path);
  database.exec(`PRAGMA journal_mode = wal; ${schema()}; BEGIN`);
  const insert = database.prepare("INSERT INTO coatcheck_sessions VALUES (?, 1, ?, NULL, ?)");
  for (let index = 0; index < count; index++) insert.run(newKey(), expiresAt, Buffer.alloc(200));
  database.exec("COMMIT");
  database.close();
  return sqlite({ path, durability: "normal" });
}

/** Counts the turns of the event loop while `work` runs. */
async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  let turns = 0;
  let isDone = false;
  const count = () => {
    if (isDone) return;
    turns++;
    setImmediate(count);
  };
  setImmediate(count);
  await work();
  isDone = true;
  return turns;
}

describe("a sweep of many sessions", () => {
  test("lets others write and read meanwhile, and finds them all", async () => {
    const store = filled("backlog", 30_000, Date.now() - 1_000);
    const key = newKey();
    await store.create(key, session());
    let isSwept = false;
    const sweep = store.claimExpired!(Date.now(), 100_000).finally(() => {
      isSwept = true;
    });
    let during = 0;
    while (!isSwept) {
      assert.equal(await store.touch(key, Date.now() + 60_000), true);
      assert.ok(await store.read(key));
      if (!isSwept) during++;
    }
    assert.ok(during >= 10, `${during} writes during the sweep`);
    const claimed = await sweep;
    assert.equal(new Set(claimed.map((one) => one.key)).size, 30_000);
    assert.deepEqual(await store.claimExpired!(Date.now(), 10), []);
    await store.close();
  });

  test("finds what has expired by the index, and takes no more than the limit", async () => {
    const database = new DatabaseSync(join(folder, "backlog.db"));
    const plan = database
      .prepare(
        "EXPLAIN QUERY PLAN SELECT key FROM coatcheck_sessions WHERE expires_at <= ? ORDER BY expires_at LIMIT ?",
      )
      .all(1, 1);
    assert.match(JSON.stringify(plan), /USING INDEX coatcheck_sessions_expires_at/);
    database.close();
    const store = filled("limit", 105, Date.now() - 1_000);
    for (const [limit, expected] of [
      [1, 1],
      [25, 25],
      [70, 70],
      [100, 9],
      [100, 0],
    ] as const) {
      assert.equal((await store.claimExpired!(Date.now(), limit)).length, expected);
    }
    await store.close();
  });
});

test("a list lets the event loop turn between its pages", async () => {
  const store = filled("list", 10_000, Date.now() + 3_600_000);
  await store.read("k");
  let count = 0;
  const turns = await turnsDuring(async () => {
    for await (const _ of store.list!({})) count++;
  });
  assert.equal(count, 10_000);
  assert.ok(turns >= 10, `${turns} turns for 10 pages`);
  await store.close();
});

test("concurrent large writes do not share one long transaction", async () => {
  const store = sqlite({ path: join(folder, "large.db"), durability: "normal" });
  await store.read("k");
  const value = Buffer.alloc(1_000_000);
  let done = 0;
  let doneAtFirstTurn = 0;
  const writes = Array.from({ length: 40 }, () => store.create(newKey(), session({ value })).then(() => done++));
  await writes[0];
  await new Promise(setImmediate);
  doneAtFirstTurn = done;
  await Promise.all(writes);
  assert.equal(done, 40);
  assert.ok(doneAtFirstTurn < 10, `${doneAtFirstTurn} large writes in one turn`);
  await store.close();
});

describe("a full disk", () => {
  test("refuses writes and answers reads; no refused write counts as applied, and none is", async () => {
    const database = new DatabaseSync(join(folder, "full.db"));
    database.exec("PRAGMA journal_mode = wal");
    const store = sqlite({ database, createTable: true });
    const [key, small] = [newKey(), newKey()];
    const version = (await store.create(key, session())) as number;
    const { page_count: pages } = database.prepare("PRAGMA page_count").get() as { page_count: number };
    database.exec(`PRAGMA max_page_count = ${pages + 2}`);
    const large = session({ value: Buffer.alloc(50_000) });
    const isRefused = (error: StoreError) => {
      assert.ok(error instanceof StoreError);
      assert.match(error.message, /full/);
      assert.deepEqual([error.applied, error.refusesWrites], [false, true]);
      return true;
    };
    // All in one transaction: when one fills the disk, SQLite rolls all of it back.
    const writes = [
      store.create(small, session()),
      store.create(newKey(), large),
      store.update(key, session({ value: Buffer.from("hat") }), version),
    ];
    const results = await Promise.allSettled(writes);
    for (const result of results) {
      assert.equal(result.status, "rejected");
      assert.ok(isRefused((result as PromiseRejectedResult).reason));
    }
    assert.equal(text((await store.read(key))?.value), "coat");
    assert.equal(await store.read(small), undefined);
    await assert.rejects(store.create(newKey(), large), isRefused);
    database.exec("PRAGMA max_page_count = 100000");
    assert.equal(await store.update(key, large, version), version + 1);
    await store.close();
    database.close();
  });

  test("or a read-only database says so, and a lock that is not free is no write either", async () => {
    const path = join(folder, "readonly.db");
    const writer = sqlite({ path, timeout: 50 });
    const key = newKey();
    await writer.create(key, session());
    const database = new DatabaseSync(path, { readOnly: true });
    const store = sqlite({ database, createTable: false });
    await assert.rejects(store.touch(key, Date.now() + 60_000), { applied: false, refusesWrites: true });
    assert.ok(await store.read(key));
    await store.close();
    database.close();
    const other = new DatabaseSync(path);
    other.exec("BEGIN IMMEDIATE");
    await assert.rejects(writer.touch(key, Date.now() + 60_000), (error: StoreError) => {
      assert.deepEqual([error.applied, error.refusesWrites], [false, undefined]);
      return true;
    });
    other.exec("ROLLBACK");
    other.close();
    await writer.close();
  });
});
