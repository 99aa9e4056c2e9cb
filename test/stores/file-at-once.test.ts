import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import fc from "fast-check";
import type { StoredSession } from "../../src/store.ts";
import { file } from "../../src/stores/file.ts";
import { tempDir } from "../servers/process.ts";

const folder = tempDir("at-once");
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

describe("what a file answers at once", () => {
  test("is as new as the file, whichever connection has changed it", async () => {
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

  test("is a copy of what the file has, opened once, until the session is changed or ends", async (t) => {
    const path = join(folder, "copies");
    const [store, other] = [file({ path }), file({ path })];
    await other.read("nobody"); // opens it
    const opened = { bytes: new Uint8Array(1), detached: () => opened };
    const version = await store.create("a", { value: Buffer.from("1"), expiresAt: Date.now() + HOUR });
    store.atOnce!.read("a", 1)!.copy!.keep(opened);
    await other.create("b", { value: Buffer.from("2"), expiresAt: Date.now() + HOUR });
    await other.touch("a", Date.now() + 2 * HOUR);
    assert.equal(store.atOnce!.read("a", 1)!.copy!.opened, opened);
    const next = await other.update("a", { value: Buffer.from("3"), expiresAt: Date.now() + HOUR }, version);
    const changed = store.atOnce!.read("a", 1)!;
    assert.equal(Buffer.from(changed.value).toString(), "3");
    assert.equal(changed.copy!.opened, undefined);
    await store.update("a", { value: Buffer.from("4"), expiresAt: Date.now() + HOUR, opened }, next as number);
    const own = store.atOnce!.read("a", 1)!;
    assert.equal(Buffer.from(own.value).toString(), "4");
    assert.equal(own.copy!.opened, opened, "what was written need not be opened");
    t.mock.timers.enable({ apis: ["Date"], now: Date.now() + HOUR });
    assert.equal(store.atOnce!.read("a", 1), undefined);
    await store.close();
    await other.close();
  });

  test("is nothing before the file is open, nor after it was closed", async () => {
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
