// The synchronous reads of the file store.

import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { StoredSession } from "../../../src/store.ts";
import { file } from "../../../src/stores/file/index.ts";
import { tempDir } from "../../servers/process.ts";
import fc, { runs } from "../../support/random.ts";

const folder = tempDir("sync");
after(() => rmSync(folder, { recursive: true, force: true }));

const KEYS = ["a", "b", "c"];
const HOUR_MS = 3_600_000;

/** A call of one of several stores on the file. */
const step = fc.record({
  store: fc.nat(2),
  key: fc.constantFrom(...KEYS),
  method: fc.constantFrom("create", "update", "update", "delete", "touch", "read", "sync.read", "sync.read"),
  hours: fc.integer({ min: 1, max: 9 }),
});

describe("a synchronous read", () => {
  test("sees the latest change, whichever store made it", async () => {
    const stores = [0, 1, 2].map(() => file({ path: join(folder, "sessions") }));
    for (const store of stores) await store.read("nobody"); // opens the file
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const model = new Map<string, StoredSession>();
        for (const key of KEYS) await stores[0]!.delete(key);
        let count = 0;
        for (const { store: index, key, method, hours } of steps) {
          const store = stores[index]!;
          const current = model.get(key);
          const session = {
            value: Buffer.from(`value ${++count}`),
            expiresAt: Math.round(Date.now() + hours * HOUR_MS),
          };
          if (method === "create") {
            const version = await store.create(key, session);
            if (current === undefined) model.set(key, { ...session, version });
            else assert.equal(version, "exists");
          } else if (method === "update" && current !== undefined) {
            model.set(key, { ...session, version: await store.update(key, session, current.version) });
          } else if (method === "delete") {
            assert.equal(await store.delete(key), model.delete(key));
          } else if (method === "touch" && current !== undefined) {
            await store.touch(key, session.expiresAt);
            model.set(key, { ...current, expiresAt: session.expiresAt });
          } else {
            const found = method === "read" ? await store.read(key, 1) : store.sync!.read(key, 1);
            assert.deepEqual(plain(found), plain(model.get(key)));
          }
        }
      }),
      { numRuns: runs(300) },
    );
    for (const store of stores) await store.close();
  });

  test("returns the cached session, unsealed once, until the session changes or expires", async () => {
    const path = join(folder, "cache");
    const [store, other] = [file({ path }), file({ path })];
    await other.read("nobody"); // opens the file
    const opened = { bytes: new Uint8Array(1), detached: () => opened };
    const version = await store.create("a", { value: Buffer.from("1"), expiresAt: Date.now() + HOUR_MS });
    store.sync!.read("a", 1)!.copy!.keep(opened);
    await other.create("b", { value: Buffer.from("2"), expiresAt: Date.now() + HOUR_MS });
    await other.touch("a", Date.now() + 2 * HOUR_MS);
    assert.equal(store.sync!.read("a", 1)!.copy!.opened, opened);
    const next = await other.update("a", { value: Buffer.from("3"), expiresAt: Date.now() + HOUR_MS }, version);
    const changed = store.sync!.read("a", 1)!;
    assert.equal(Buffer.from(changed.value).toString(), "3");
    assert.equal(changed.copy!.opened, undefined);
    await store.update("a", { value: Buffer.from("4"), expiresAt: Date.now() + HOUR_MS, opened }, next as number);
    const own = store.sync!.read("a", 1)!;
    assert.equal(Buffer.from(own.value).toString(), "4");
    assert.equal(own.copy!.opened, opened, "a session that was written here is already unsealed");
    const end = Date.now() + 300;
    await other.touch("a", end);
    store.sync!.read("a", 1);
    while (Date.now() < end) await sleep(10);
    assert.equal(store.sync!.read("a", 1), undefined);
    await store.close();
    await other.close();
  });

  test("returns undefined before the file is open, and after it is closed", async () => {
    const store = file({ path: join(folder, "closed") });
    assert.equal(store.sync!.read("a", 1), undefined);
    await store.create("a", { value: Buffer.from("1"), expiresAt: Date.now() + HOUR_MS });
    assert.ok(store.sync!.read("a", 1));
    await store.close();
    assert.equal(store.sync!.read("a", 1), undefined);
  });
});

function plain(session: StoredSession | undefined) {
  return session && { ...session, value: Buffer.from(session.value).toString(), copy: undefined, owner: undefined };
}
