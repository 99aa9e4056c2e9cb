// Tests of the commit queue: the commits of one session in one process.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Session } from "../../src/index.ts";
import { type Data, setUp } from "../support/set-up.ts";

/** Several requests. The first one's update is held before the store, and the others queue behind it. */
async function queuedBehindFirst(count: number) {
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
  /** Commits the other requests. Resolves with the error code of each commit, the first one's included. */
  const end = async (): Promise<(string | undefined)[]> => {
    const ends = await Promise.allSettled([...commits, ...others.map((session) => session.commit())]);
    return ends.map((end) => (end.status === "rejected" ? end.reason.code : undefined));
  };
  const cut = () => answer.reject(new Error("the test cuts the connection"));
  /** Makes the first update fail for good: the reads that would resolve it fail, too. */
  const failFirst = () => {
    let reads = 3;
    store.before = () => {
      if (reads-- > 0) throw new Error("the test cuts the connection");
    };
    cut();
  };
  return { store, browser, others, end, pass: answer.resolve, cut, failFirst };
}

describe("commits that queue behind another one of the same session", () => {
  test("are combined in one write, and one that can't be made fails alone", async () => {
    const { store, browser, others, end, pass } = await queuedBehindFirst(3);
    others[0]!.set("a", 1);
    others[1]!.set("large", "x".repeat(2 ** 20));
    others[2]!.set("b", 2);
    const ends = end();
    pass();
    assert.deepEqual(await ends, [undefined, undefined, "COATCHECK_TOO_LARGE", undefined]);
    assert.deepEqual(store.calls, ["update"]);
    assert.deepEqual(await browser.contents(), { n: 0, first: true, a: 1, b: 2 });
  });

  test("write nothing if none of them can be made, and each one fails", async () => {
    const { store, browser, others, end, pass } = await queuedBehindFirst(2);
    for (const session of others) session.set("large", "x".repeat(2 ** 20));
    const ends = end();
    pass();
    assert.deepEqual(await ends, [undefined, "COATCHECK_TOO_LARGE", "COATCHECK_TOO_LARGE"]);
    assert.deepEqual(store.calls, []);
    assert.deepEqual(await browser.contents(), { n: 0, first: true });
  });

  test("are made over the store's state if the first one fails", async () => {
    const { browser, others, end, failFirst } = await queuedBehindFirst(2);
    others[0]!.set("a", 1);
    others[1]!.update("n", (n) => (n as number) + 1);
    const ends = end();
    failFirst();
    assert.deepEqual(await ends, ["COATCHECK_STORE", undefined, undefined]);
    assert.deepEqual(await browser.contents(), { n: 1, a: 1 });
  });

  test("all fail if the store does, and a later one succeeds", async () => {
    const { store, browser, others, end, cut } = await queuedBehindFirst(2);
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

  test("keep their order with a regenerate: those before it are saved, those after it find the session gone", async () => {
    const { browser, others, end, pass } = await queuedBehindFirst(3);
    others[0]!.set("a", 1);
    const before = others[0]!.commit();
    const regenerated = others[1]!.regenerate();
    others[2]!.set("b", 2);
    const ends = end();
    pass();
    await before;
    assert.equal(await regenerated, true);
    assert.deepEqual(await ends, Array(4).fill(undefined));
    await browser.end(others[1]!);
    assert.deepEqual(await browser.contents(), { n: 0, first: true, a: 1 });
  });

  test("let a regenerate have its turn if they fail", async () => {
    const { browser, others, end, failFirst } = await queuedBehindFirst(1);
    const regenerated = others[0]!.regenerate();
    const ends = end();
    failFirst();
    assert.equal(await regenerated, true);
    assert.deepEqual(await ends, ["COATCHECK_STORE", undefined]);
    await browser.end(others[0]!);
    assert.deepEqual(await browser.contents(), { n: 0 });
  });
});
