import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createSessions, type SessionStore } from "../src/index.ts";
import { memory } from "../src/stores/memory.ts";

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

describe("a store that answers at once", () => {
  test("opens and commits without a promise", async () => {
    const sessions = sessionsIn(memory());
    const fresh = sessions.openAtOnce("")!;
    fresh.data.n = 1;
    const cookies = fresh.commit() as string[];
    assert.equal(cookies.length, 1);
    const cookie = cookies[0]!.split(";")[0]!;
    const session = sessions.openAtOnce(cookie)!;
    session.update("n", (n) => (n ?? 0) + 1);
    assert.deepEqual(session.commit(), []);
    assert.equal(sessions.openAtOnce(cookie)!.data.n, 2);
  });

  test("merges what requests change at the same time", async () => {
    const sessions = sessionsIn(memory());
    const cookie = await begun(sessions);
    const open = Array.from({ length: 20 }, () => sessions.openAtOnce(cookie)!);
    for (const [i, session] of open.entries()) {
      session.update("n", (n) => (n ?? 0) + 1);
      session.data[`key${i}`] = i;
    }
    await Promise.all(open.map((session) => session.commit()));
    const after = sessions.openAtOnce(cookie)!;
    assert.equal(after.data.n, 21);
    assert.equal(after.keys().length, 21);
  });

  test("drops what a request writes to a session that has ended", async () => {
    const sessions = sessionsIn(memory());
    const cookie = await begun(sessions);
    const late = sessions.openAtOnce(cookie)!;
    await sessions.revoke(late.id);
    late.data.n = 2;
    assert.deepEqual(await late.commit(), []);
    assert.equal((await sessions.open(cookie)).isNew, true);
  });

  test("leaves to open what is unusual: a forged ticket, a dead one, several", async () => {
    const sessions = sessionsIn(memory());
    const cookie = await begun(sessions);
    assert.equal(sessions.openAtOnce(`${cookie.slice(0, -1)}${cookie.endsWith("A") ? "B" : "A"}`), undefined);
    assert.equal(sessions.openAtOnce(`${cookie}; ${cookie}`), undefined);
    await sessions.revoke(sessions.openAtOnce(cookie)!.id);
    assert.equal(sessions.openAtOnce(cookie), undefined);
  });

  test("is not passed by when it is spread and its methods are replaced", async () => {
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
    assert.equal(sessions.openAtOnce(cookie), undefined);
    assert.equal((await sessions.open(cookie)).data.n, 1);
    assert.equal(reads, 1);
  });
});
