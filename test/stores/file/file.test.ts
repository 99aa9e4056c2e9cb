// The file store.

import assert from "node:assert/strict";
import { rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, describe, mock, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { conformance } from "../../../src/conformance/index.ts";
import { OptionError, StoreError } from "../../../src/errors.ts";
import type { SessionChange } from "../../../src/store.ts";
import { file } from "../../../src/stores/file/index.ts";
import { tempDir } from "../../servers/process.ts";

const folder = tempDir("file");
after(() => rmSync(folder, { recursive: true, force: true }));

const path = join(folder, "sessions");
process.env.COATCHECK_TEST_FILE = path;

describe("conformance", () => {
  const processes = new URL("../../fixtures/conformance/file.ts", import.meta.url);
  const promised = { list: true, claimExpired: true, watch: true, processes };
  for (const { name, run } of conformance(() => file({ path }), promised)) test(name, run);
});

describe("the directory", () => {
  test("must be named", () => {
    for (const wrong of [undefined, "", 1]) {
      assert.throws(
        () => file({ path: wrong as string }),
        (error) => error instanceof OptionError && /"path"/.test(error.message),
      );
    }
    assert.throws(() => file(undefined as never), OptionError);
  });

  test("that can not be created is an error of the factory", () => {
    const taken = join(folder, "taken");
    writeFileSync(taken, "");
    for (const wrong of [taken, join(taken, "below")]) {
      assert.throws(
        () => file({ path: wrong }),
        (error) => error instanceof OptionError && error.message.includes(wrong) && /may write/.test(error.message),
      );
    }
  });

  test("is created with its parents, accessible to its owner only", async () => {
    const deep = join(folder, "a", "b");
    const store = file({ path: deep });
    await store.create("k", session());
    await store.close();
    assert.equal(statSync(deep).mode & 0o777, 0o700);
  });

  test("that was deleted is an error, and not a missing session", async () => {
    const gone = join(folder, "gone");
    const store = file({ path: gone });
    rmSync(gone, { recursive: true });
    await assert.rejects(store.read("k"), StoreError);
    await assert.rejects(
      store.watch!(() => {}),
      StoreError,
    );
  });

  test("that holds something else is an error", async () => {
    const strange = join(folder, "strange");
    const store = file({ path: strange });
    writeFileSync(join(strange, "sessions.db"), "no database, but long enough to be taken for one".repeat(50));
    await assert.rejects(store.read("k"), StoreError);
    await assert.rejects(store.create("k", session()), StoreError);
    await assert.rejects(
      store.watch!(() => {}),
      StoreError,
    );
  });
});

test("sessions survive closing and opening the store", async () => {
  const first = file({ path });
  const version = await first.create("again", session());
  await first.close();
  const second = file({ path });
  assert.deepEqual((await second.read("again"))?.version, version);
  assert.equal(await second.delete("again"), true);
  await second.close();
});

test("close can be called twice, and later calls are refused", async () => {
  const store = file({ path });
  const stop = await store.watch!(() => {});
  await store.close();
  await store.close();
  await stop();
  await assert.rejects(store.read("k"), StoreError);
});

describe("watch", () => {
  test("does not report a touch", async () => {
    const store = file({ path });
    const changes: SessionChange[] = [];
    const stop = await store.watch!((change) => changes.push(change));
    const version = await store.create("touched", session());
    await store.touch("touched", Date.now() + 1_000_000);
    await store.delete("touched");
    await until(() => changes.length >= 2);
    assert.deepEqual(changes, [
      { key: "touched", type: "write", version },
      { key: "touched", type: "delete" },
    ]);
    await stop();
    await store.close();
  });

  test("reports ten thousand changes in order", async () => {
    const store = file({ path });
    const keys: string[] = [];
    const stop = await store.watch!((change) => change.type === "write" && keys.push(change.key));
    const written = Array.from({ length: 10_000 }, (_, index) => `order-${index}`);
    await Promise.all(written.map((key) => store.create(key, session())));
    await until(() => keys.length >= written.length);
    assert.deepEqual(keys, written);
    await stop();
    await store.close();
  });

  test("logs nothing without a watcher, and leaves no rows behind", async () => {
    const store = file({ path });
    const stop = await store.watch!(() => {});
    const stopOther = await store.watch!(() => {});
    await store.create("unwatched", session());
    await Promise.all([stop(), stopOther()]);
    assert.deepEqual(rowCounts(), { watchers: 0, changes: 0 });
    await store.delete("unwatched");
    assert.deepEqual(rowCounts(), { watchers: 0, changes: 0 });
    await store.close();
  });

  test("keeps no changes for a killed watcher after its lease", async () => {
    const database = new DatabaseSync(join(path, "sessions.db"));
    const store = file({ path });
    database.prepare("INSERT INTO coatcheck_watchers (heard, until) VALUES (0, ?)").run(Date.now() + 200);
    await store.create("unread", session());
    assert.equal(rowCounts().changes, 1);
    await sleep(300);
    await store.delete("unread");
    assert.equal(rowCounts().changes, 1, "after the lease nothing is logged");
    const stop = await store.watch!(() => {});
    assert.deepEqual(rowCounts(), { watchers: 1, changes: 0 }, "the next watcher deletes the old rows");
    await stop();
    await store.close();
    database.close();
  });

  test("reports that changes may be missing after a long suspension, and continues", async () => {
    const database = new DatabaseSync(join(path, "sessions.db"));
    const store = file({ path });
    const states: boolean[] = [];
    const changes: SessionChange[] = [];
    const stop = await store.watch!(
      (change) => changes.push(change),
      (listening) => states.push(listening),
    );
    database.exec("DELETE FROM coatcheck_watchers");
    const now = performance.now.bind(performance);
    const clock = mock.method(performance, "now", () => now() + 100_000);
    try {
      await until(() => states.length === 2);
    } finally {
      clock.mock.restore();
    }
    assert.deepEqual(states, [false, true]);
    await store.create("resumed", session());
    await until(() => changes.some(({ key }) => key === "resumed"));
    await store.delete("resumed");
    await stop();
    await store.close();
    database.close();
  });
});

function session() {
  return { value: Buffer.from("coat"), expiresAt: Date.now() + 3_600_000 };
}

/** How many rows the tables of `watch` have. */
function rowCounts() {
  const database = new DatabaseSync(join(path, "sessions.db"));
  const count = (table: string) => (database.prepare(`SELECT count(*) AS n FROM ${table}`).get() as { n: number }).n;
  const counts = { watchers: count("coatcheck_watchers"), changes: count("coatcheck_changes") };
  database.close();
  return counts;
}

async function until(holds: () => boolean): Promise<void> {
  for (const end = performance.now() + 20_000; !holds(); await sleep(10)) {
    assert.ok(performance.now() < end, "the condition did not hold within 20 s");
  }
}
