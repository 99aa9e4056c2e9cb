// Tests of requests at a store with sync methods.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createSessions, type Session, type SessionStore } from "../../src/index.ts";
import { memory } from "../../src/stores/memory/index.ts";

interface Data {
  n: number;
  [key: `key${number}`]: number;
}

function sessionsIn(store: SessionStore) {
  return createSessions<Data>({ store, cookie: { secure: false } });
}

/** The Cookie header of a session that holds `n: 1`. */
async function begun(sessions: ReturnType<typeof sessionsIn>): Promise<string> {
  const session = await sessions.open("");
  session.data.n = 1;
  const [cookie] = await session.commit();
  return cookie!.split(";")[0]!;
}

/** Opens a session, and asserts that no promise is returned. */
function openSync(sessions: ReturnType<typeof sessionsIn>, cookie: string): Session<Data> {
  const opened = sessions.openMaybeSync(cookie);
  if (opened instanceof Promise) assert.fail("a promise");
  return opened;
}

describe("a store with sync methods", () => {
  test("opens and commits sessions without a promise", async () => {
    const sessions = sessionsIn(memory());
    const fresh = openSync(sessions, "");
    fresh.data.n = 1;
    const cookies = fresh.commit() as string[];
    assert.equal(cookies.length, 1);
    const cookie = cookies[0]!.split(";")[0]!;
    const session = openSync(sessions, cookie);
    session.update("n", (n) => (n ?? 0) + 1);
    assert.deepEqual(session.commit(), []);
    assert.equal(openSync(sessions, cookie).data.n, 2);
  });

  test("merges the changes of concurrent requests", async () => {
    const sessions = sessionsIn(memory());
    const cookie = await begun(sessions);
    const open = Array.from({ length: 20 }, () => openSync(sessions, cookie));
    for (const [i, session] of open.entries()) {
      session.update("n", (n) => (n ?? 0) + 1);
      session.data[`key${i}`] = i;
    }
    await Promise.all(open.map((session) => session.commit()));
    const after = openSync(sessions, cookie);
    assert.equal(after.data.n, 21);
    assert.equal(after.keys().length, 21);
  });

  test("drops changes to a session that has ended", async () => {
    const sessions = sessionsIn(memory());
    const cookie = await begun(sessions);
    const late = openSync(sessions, cookie);
    await sessions.revoke(late.id);
    late.data.n = 2;
    assert.deepEqual(await late.commit(), []);
    assert.equal((await sessions.open(cookie)).isNew, true);
  });

  test("refuses a forged ticket synchronously", async () => {
    const sessions = sessionsIn(memory());
    let forged = 0;
    sessions.on("forged", () => forged++);
    const cookie = await begun(sessions);
    const session = openSync(sessions, `${cookie.slice(0, -1)}${cookie.endsWith("A") ? "B" : "A"}`);
    assert.equal(session.isNew, true);
    assert.equal(forged, 1);
  });

  test("reports a record that can't be opened once", async () => {
    const store = memory();
    const sessions = sessionsIn(store);
    const unreadable: string[] = [];
    sessions.on("unreadable", ({ id }) => unreadable.push(id));
    const cookie = await begun(sessions);
    const { id } = openSync(sessions, cookie);
    const found = (await store.read(id))!;
    await store.update(id, { ...found, value: Buffer.from("no record") }, found.version);
    assert.equal((await sessions.openMaybeSync(cookie)).isNew, true);
    assert.deepEqual(unreadable, [id]);
  });

  test("opens with a promise for an ended session, several tickets, or exclusive mode", async () => {
    const sessions = sessionsIn(memory());
    const cookie = await begun(sessions);
    const several = sessions.openMaybeSync(`${cookie}; ${cookie}`);
    assert.ok(several instanceof Promise);
    assert.equal((await several).data.n, 1);
    const exclusive = sessions.openMaybeSync(cookie, { mode: "exclusive" });
    assert.ok(exclusive instanceof Promise);
    await (await exclusive).commit();
    await sessions.revoke(openSync(sessions, cookie).id);
    const ended = sessions.openMaybeSync(cookie);
    assert.ok(ended instanceof Promise);
    assert.equal((await ended).isNew, true);
  });

  test("is not bypassed when it is spread and its methods are replaced", async () => {
    const store = memory();
    let reads = 0;
    const sessions = sessionsIn({
      ...store,
      read(key, touchUntil) {
        reads++;
        return store.read(key, touchUntil);
      },
    });
    const cookie = await begun(sessions);
    const opened = sessions.openMaybeSync(cookie);
    assert.ok(opened instanceof Promise);
    assert.equal((await opened).data.n, 1);
    assert.equal(reads, 1);
  });
});
