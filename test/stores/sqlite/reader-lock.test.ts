// The shared lock that is kept between reads of a database file.

import assert from "node:assert/strict";
import { renameSync, rmSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, describe, test } from "node:test";
import { setImmediate, setTimeout as sleep } from "node:timers/promises";
import { file } from "../../../src/stores/file/index.ts";
import { tempDir } from "../../servers/process.ts";

describe("the reader lock", () => {
  const folder = tempDir("reader-lock");
  after(() => rmSync(folder, { recursive: true, force: true }));
  const expiresAt = Date.now() + 1e6;
  const touchUntil = expiresAt;

  test("is held after a read, and released soon after", async () => {
    const path = join(folder, "released");
    const store = file({ path });
    await store.create("key", { value: Buffer.alloc(10), expiresAt });
    const other = new DatabaseSync(join(path, "sessions.db"));
    const restart = other.prepare("PRAGMA wal_checkpoint(RESTART)");
    const isLocked = () => (restart.get() as { busy: number }).busy === 1;

    assert.equal(isLocked(), false);
    await store.create("other", { value: Buffer.alloc(10), expiresAt });
    assert.ok(await store.read("key", touchUntil));
    assert.equal(isLocked(), true);
    for (const end = Date.now() + 10_000; isLocked(); await sleep(5))
      assert.ok(Date.now() < end, "it is never released");
    other.close();
    await store.close();
  });

  test("is not needed: reads work after the path of the open file has become inaccessible", async () => {
    const path = join(folder, "hidden");
    const store = file({ path });
    await store.create("key", { value: Buffer.alloc(10), expiresAt });
    renameSync(path, `${path} moved`);
    symlinkSync("hidden", path);
    assert.throws(() => statSync(path), { code: "ELOOP" });
    assert.ok(await store.read("key", touchUntil));
    await store.close();
  });

  test("lets the write-ahead log restart, although there is always a reader", { timeout: 60_000 }, async () => {
    const path = join(folder, "log");
    const [reader, writer] = [file({ path }), file({ path })];
    const value = Buffer.alloc(8_000, 1);
    await writer.create("key", { value, expiresAt });
    let longest = 0;
    let isDone = false;
    const reading = (async () => {
      while (!isDone) {
        assert.ok(await reader.read("key", touchUntil));
        longest = Math.max(longest, statSync(join(path, "sessions.db-wal")).size);
        await setImmediate();
      }
    })();
    for (let i = 0; i < 4_000; i++) {
      const { version } = (await writer.read("key", touchUntil))!;
      assert.notEqual(await writer.update("key", { value, expiresAt }, version), "conflict");
    }
    isDone = true;
    await reading;
    // All writes together take more than 50 MB. SQLite checkpoints a log of 4 MB.
    assert.ok(longest < 16_000_000, `${longest} bytes`);
    await Promise.all([reader.close(), writer.close()]);
  });
});
