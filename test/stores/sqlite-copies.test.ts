import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, describe, test } from "node:test";
import fc from "fast-check";
import type { SessionStore, StoredSession } from "../../src/store.ts";
import { file } from "../../src/stores/file.ts";
import { schema, sqlite } from "../../src/stores/sqlite.ts";
import { tempDir } from "../servers/process.ts";

const folder = tempDir("copies");
after(() => rmSync(folder, { recursive: true, force: true }));

const KEYS = ["a", "b", "c"];
const HOUR = 3_600_000;

/** What one of several connections does, and to which key. */
const step = fc.record({
  connection: fc.nat(2),
  key: fc.constantFrom(...KEYS),
  does: fc.constantFrom("create", "update", "update", "delete", "touch", "read", "read at once", "read at once"),
  hours: fc.integer({ min: 1, max: 9 }),
});

describe("copies of what is in a file", () => {
  test("are as new as the file, whichever connection has changed it", async () => {
    const connections = [0, 1, 2].map(() => file({ path: join(folder, "sessions") }));
    for (const store of connections) await store.read("nobody"); // opens it
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const model = new Map<string, StoredSession>();
        for (const key of KEYS) await connections[0]!.delete(key);
        let count = 0;
        for (const { connection, key, does, hours } of steps) {
          const store = connections[connection]!;
          const there = model.get(key);
          const written = { value: Buffer.from(`value ${++count}`), expiresAt: Math.round(Date.now() + hours * HOUR) };
          if (does === "create") {
            const version = await store.create(key, written);
            if (there === undefined) model.set(key, { ...written, version });
            else assert.equal(version, "exists");
          } else if (does === "update" && there !== undefined) {
            model.set(key, { ...written, version: await store.update(key, written, there.version) });
          } else if (does === "delete") {
            assert.equal(await store.delete(key), model.delete(key));
          } else if (does === "touch" && there !== undefined) {
            await store.touch(key, written.expiresAt);
            model.set(key, { ...there, expiresAt: written.expiresAt });
          } else {
            const found = does === "read" ? await store.read(key, 1) : store.atOnce!.read(key, 1);
            assert.deepEqual(plain(found), plain(model.get(key)));
          }
        }
      }),
      { numRuns: 300 },
    );
    for (const store of connections) await store.close();
  });

  test("are the same object while nothing changes, so that the core opens each once", async () => {
    const store = file({ path: join(folder, "same") });
    const other = file({ path: join(folder, "same") });
    await store.create("a", { value: Buffer.from("1"), expiresAt: Date.now() + HOUR });
    const first = await store.read("a", 1);
    first!.copy!.keep("opened", 6);
    await other.create("b", { value: Buffer.from("2"), expiresAt: Date.now() + HOUR });
    const second = await store.read("a", 1);
    assert.equal(second!.copy!.opened, "opened");
    await other.update("a", { value: Buffer.from("3"), expiresAt: Date.now() + HOUR }, first!.version);
    const third = store.atOnce!.read("a", 1);
    assert.equal(Buffer.from(third!.value).toString(), "3");
    assert.equal(third!.copy!.opened, undefined);
    await store.close();
    await other.close();
  });

  test("end when their session does", async (t) => {
    const store = file({ path: join(folder, "ending") });
    await store.create("a", { value: Buffer.from("1"), expiresAt: Date.now() + HOUR });
    assert.ok(await store.read("a", 1));
    t.mock.timers.enable({ apis: ["Date"], now: Date.now() + HOUR });
    assert.equal(await store.read("a", 1), undefined);
    assert.equal(store.atOnce!.read("a", 1), undefined);
    await store.close();
  });

  test("are not kept of a database that was handed in: others may write through it unseen", async () => {
    const database = new DatabaseSync(":memory:");
    database.exec(schema());
    const store: SessionStore = sqlite({ database });
    await store.create("a", { value: Buffer.from("1"), expiresAt: Date.now() + HOUR });
    assert.ok(await store.read("a", 1));
    database.exec("DELETE FROM coatcheck_sessions");
    assert.equal(await store.read("a", 1), undefined);
    await store.close();
  });

  test("are not there before the file is open, nor after it was closed", async () => {
    const store = file({ path: join(folder, "closed") });
    assert.equal(store.atOnce!.read("a", 1), undefined);
    await store.create("a", { value: Buffer.from("1"), expiresAt: Date.now() + HOUR });
    assert.ok(store.atOnce!.read("a", 1));
    await store.close();
    assert.equal(store.atOnce!.read("a", 1), undefined);
  });
});

function plain(session: StoredSession | undefined) {
  return session && { ...session, value: Buffer.from(session.value).toString(), copy: undefined, owner: undefined };
}
