// Who counts the sessions that are alive, how often, and what is added in between.

import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { AliveCounter, aliveNow } from "../../src/console/alive-counter.ts";
import { directoriesOf } from "../../src/console/directory.ts";
import { console as webConsole } from "../../src/console/index.ts";
import type { ServerReport } from "../../src/console/protocol.ts";
import { createSessions } from "../../src/index.ts";
import { internalsOf } from "../../src/management/internals.ts";
import { login } from "../support/login.ts";
import type { Data } from "../support/set-up.ts";
import { SECRET, watched } from "../support/stores.ts";
import { Viewer } from "./viewer.ts";

const START = Date.now();

function report(id: string, started: number, ended = 0, startedAt = START - 1_000): ServerReport {
  const totals = { started, ended: { destroyed: ended, expired: 0, revoked: 0, replaced: 0 } };
  return { id, startedAt, seenAt: START, status: "up", totals } as unknown as ServerReport;
}

/** Consoles of one farm, whose clock is the test's. `took`: milliseconds of a count. */
function consoles(t: TestContext, count: number, took = 0) {
  const sessions = createSessions({ store: watched(), secret: SECRET, sweepInterval: false });
  t.after(() => sessions.close());
  const time = { now: START };
  const clock = { now: () => time.now } as never;
  const internals = { ...internalsOf(sessions), clock };
  const [directory] = directoriesOf(internals);
  let counts = 0;
  const walk = async () => {
    await sleep(took);
    return ++counts;
  };
  const all = Array.from({ length: count }, (_, i) => new AliveCounter(internals, [directory!], `console ${i}`, walk));
  /** Each console looks once. Resolves when no count is under way. */
  const look = async (servers: ServerReport[] = []) => {
    for (const one of all) await one.countIfDue(await directory!.read(), servers);
    while ((await directory!.read()).counting !== undefined) await sleep(1);
    return (await directory!.read()).counted!;
  };
  return { time, all, look, internals, directory: directory!, counts: () => counts };
}

describe("a count", () => {
  test("is made by one console of several", async (t) => {
    const { look, counts, time } = consoles(t, 5);
    const { count, countedAt, took } = await look();
    assert.equal(count, 1);
    // On a machine that is busy, a walk through nothing takes long, too.
    time.now = countedAt + Math.max(10_000, 100 * took) - 1;
    await look();
    assert.equal(counts(), 1);
    time.now += 2;
    assert.equal((await look()).count, 2);
    assert.equal(counts(), 2);
  });

  test("takes a hundredth of the time at most", async (t) => {
    const { look, counts, time } = consoles(t, 2, 150);
    const { took, countedAt } = await look();
    assert.ok(took > 140);
    time.now = countedAt + 100 * took - 1;
    await look();
    assert.equal(counts(), 1);
    time.now = countedAt + 100 * took + 1;
    await look();
    assert.equal(counts(), 2);
  });

  test("of a console that is gone is made by another one, once its turn is over", async (t) => {
    const { look, counts, time, directory, all } = consoles(t, 1);
    await directory.change((state) => ({ ...state, counting: { by: "gone", until: START + 30_000 } }));
    time.now += 29_000;
    await all[0]!.countIfDue(await directory.read(), []);
    assert.equal(counts(), 0);
    time.now += 2_000;
    await look();
    assert.equal(counts(), 1);
  });

  test("that fails is not made again and again", async (t) => {
    const { directory, time, internals } = consoles(t, 0);
    let walks = 0;
    let failed = Promise.resolve();
    const walk = () => {
      walks++;
      const walked = Promise.reject(new Error("the store went away in the middle"));
      failed = walked.then(
        () => {},
        () => sleep(1),
      );
      return walked;
    };
    const failing = new AliveCounter(internals, [directory], "failing", walk);
    for (let second = 0; second < 10; second++) {
      await failing.countIfDue(await directory.read(), []);
      await failed;
      time.now += 1_000;
    }
    assert.equal(walks, 1);
    // On a machine that is busy, a walk that fails takes long, too.
    time.now += 3_600_000;
    await failing.countIfDue(await directory.read(), []);
    assert.equal(walks, 2);
  });

  test("that fails is made again", async (t) => {
    const { look, directory, time } = consoles(t, 1);
    const internals = { ...internalsOf(createSessions({ store: watched(), secret: SECRET, sweepInterval: false })) };
    const failing = new AliveCounter({ ...internals, clock: { now: () => time.now } as never }, [directory], "failing", async () => assert.fail()); // biome-ignore format: one line
    await failing.countIfDue(await directory.read(), []);
    time.now += 31_000;
    assert.equal((await look()).count, 1);
  });

  test("knows what servers had counted by then, once their reports are newer", async (t) => {
    const { look, time } = consoles(t, 1);
    const rough = await look([{ ...report("a", 5), seenAt: START - 1 }]);
    assert.deepEqual(rough.balances, { a: 5 });
    assert.equal(aliveNow(rough, [report("a", 7)]).count, 3);
    time.now += 500;
    const exact = await look([{ ...report("a", 7), seenAt: START + 1 }]);
    assert.deepEqual(exact.balances, { a: 7 });
    assert.equal(aliveNow(exact, [report("a", 7)]).count, 1);
  });
});

test("between counts, what servers have started and ended is added", () => {
  const counted = { count: 10, countedAt: START, took: 1, balances: { a: 4, b: -2 } };
  const alive = (...servers: ServerReport[]) => aliveNow(counted, servers).count;
  assert.equal(alive(report("a", 4), report("b", 1, 3)), 10);
  assert.equal(alive(report("a", 9), report("b", 1, 3)), 15);
  assert.equal(alive(report("a", 4), report("b", 1, 8)), 5);
  // A server that has begun since then, one that was there without being counted, and one that is forgotten.
  assert.equal(alive(report("a", 4), report("b", 1, 3), report("new", 3, 0, START + 1)), 13);
  assert.equal(alive(report("a", 4), report("b", 1, 3), report("old", 3)), 10);
  assert.equal(alive(report("b", 1, 3)), 10);
  assert.equal(alive(report("a", 0, 20)), 0);
});

test("several open consoles walk through the store as often as one", async (t) => {
  const store = { ...watched(), close: async () => {} };
  const farm = Array.from({ length: 3 }, () => createSessions<Data>({ store, secret: SECRET, sweepInterval: false }));
  t.after(() => Promise.all(farm.map((sessions) => sessions.close())));
  await login(farm[0]!, "ann", {});
  const viewers = await Promise.all(
    farm.map((sessions) => {
      const web = webConsole(sessions, { authorize: () => true });
      return Viewer.open((path, init) => web.fetch(new Request(`http://console.test/${path}`, init)));
    }),
  );
  const counts = () => new Set(viewers.flatMap(({ states }) => states.flatMap(({ alive }) => alive?.countedAt ?? [])));
  for (const viewer of viewers) await viewer.until("two counts", ({ alive }) => alive?.count === 1 && counts().size > 1); // biome-ignore format: one line
  for (const viewer of viewers) viewer.leave();
  // One may be under way.
  assert.ok(store.calls.filter((call) => call === "list").length <= counts().size + 1);
});
