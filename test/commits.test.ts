import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Session } from "../src/index.ts";
import { settledWithin, stall } from "./support/farm.ts";
import { type Data, setUp } from "./support/set-up.ts";

/** The first of several requests, whose commit is stopped in front of the store; the others come behind it. */
async function behindOne(count: number) {
  const { store, browser } = setUp({ storeTimeout: "2s" });
  await browser.request((session) => session.set("n", 0));
  const requests = await Promise.all(Array.from({ length: count + 1 }, () => browser.open()));
  const [first, ...others] = requests as [Session<Data>, ...Session<Data>[]];
  const reached = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<void>();
  store.before = async (operation) => {
    if (operation !== "update") return;
    store.before = undefined;
    reached.resolve();
    await answer.promise;
  };
  first.set("first", true);
  const commits = [first.commit()];
  await reached.promise;
  store.calls.length = 0;
  /** The codes of the errors that the commits ended with. */
  const end = async (): Promise<(string | undefined)[]> => {
    const ends = await Promise.allSettled([...commits, ...others.map((session) => session.commit())]);
    return ends.map((end) => (end.status === "rejected" ? end.reason.code : undefined));
  };
  const cut = () => answer.reject(new Error("the test cuts the connection"));
  /** It fails for good: so do the looks at what became of it. */
  const failFirst = () => {
    let looks = 3;
    store.before = () => {
      if (looks-- > 0) throw new Error("the test cuts the connection");
    };
    cut();
  };
  return { store, browser, others, end, pass: answer.resolve, cut, failFirst };
}

describe("commits of one session that wait for another's", () => {
  test("go together, and what can't be made fails alone", async () => {
    const { store, browser, others, end, pass } = await behindOne(3);
    others[0]!.set("a", 1);
    others[1]!.set("large", "x".repeat(2 ** 20));
    others[2]!.set("b", 2);
    const ends = end();
    pass();
    assert.deepEqual(await ends, [undefined, undefined, "COATCHECK_TOO_LARGE", undefined]);
    assert.deepEqual(store.calls, ["update"]);
    assert.deepEqual(await browser.contents(), { n: 0, first: true, a: 1, b: 2 });
  });

  test("write nothing if none can be made, and fail each", async () => {
    const { store, browser, others, end, pass } = await behindOne(2);
    for (const session of others) session.set("large", "x".repeat(2 ** 20));
    const ends = end();
    pass();
    assert.deepEqual(await ends, [undefined, "COATCHECK_TOO_LARGE", "COATCHECK_TOO_LARGE"]);
    assert.deepEqual(store.calls, []);
    assert.deepEqual(await browser.contents(), { n: 0, first: true });
  });

  test("are made over what is in the store if that one fails", async () => {
    const { browser, others, end, failFirst } = await behindOne(2);
    others[0]!.set("a", 1);
    others[1]!.update("n", (n) => (n as number) + 1);
    const ends = end();
    failFirst();
    assert.deepEqual(await ends, ["COATCHECK_STORE", undefined, undefined]);
    assert.deepEqual(await browser.contents(), { n: 1, a: 1 });
  });

  test("fail all if the store does, and the next goes on", async () => {
    const { store, browser, others, end, cut } = await behindOne(2);
    for (const session of others) session.set("a", 1);
    const ends = end();
    store.before = () => {
      throw new Error("the test cuts the connection");
    };
    cut();
    assert.deepEqual(await ends, Array(3).fill("COATCHECK_STORE"));
    store.before = undefined;
    // Until the circuit breaker's next probe.
    while ((await browser.contents().catch(() => undefined)) === undefined) await sleep(20);
    await browser.request((session) => session.set("b", 2));
    assert.deepEqual(await browser.contents(), { n: 0, b: 2 });
  });

  test("see a regenerate in its turn: those before it are in, those behind it find the session gone", async () => {
    const { browser, others, end, pass } = await behindOne(3);
    others[0]!.set("a", 1);
    const before = others[0]!.commit();
    const moved = others[1]!.regenerate();
    others[2]!.set("b", 2);
    const ends = end();
    pass();
    await before;
    assert.equal(await moved, true);
    assert.deepEqual(await ends, Array(4).fill(undefined));
    await browser.end(others[1]!);
    assert.deepEqual(await browser.contents(), { n: 0, first: true, a: 1 });
  });

  test("let a regenerate have its turn if they fail", async () => {
    const { browser, others, end, failFirst } = await behindOne(1);
    const moved = others[0]!.regenerate();
    const ends = end();
    failFirst();
    assert.equal(await moved, true);
    assert.deepEqual(await ends, ["COATCHECK_STORE", undefined]);
    await browser.end(others[0]!);
    assert.deepEqual(await browser.contents(), { n: 0 });
  });
});

test("close() waits for a session that is being stored, and for one that is let go of", async () => {
  for (const [mode, operation] of [
    ["merge", "create"],
    ["exclusive", "update"],
  ] as const) {
    const { sessions, store, browser } = setUp();
    if (mode === "exclusive") await browser.request((session) => session.set("n", 0));
    const session = await browser.open(mode);
    const write = stall(store, operation);
    session.set("n", 1);
    const committed = session.commit();
    await write.reached;
    const closed = sessions.close();
    assert.equal(await settledWithin(closed, 20), false);
    write.pass();
    await Promise.all([committed, closed]);
  }
});
