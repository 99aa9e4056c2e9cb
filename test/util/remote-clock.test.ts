// Tests of another machine's clock: what a comparison of the clocks is worth.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { RemoteClock } from "../../src/util/remote-clock.ts";

const HOUR = 3_600_000;

/** A machine whose clock is an hour ahead, and which reads it only when its answer is about to come. */
function remote(delays: number[]) {
  const compared: number[] = [];
  let asked = 0;
  const clock = new RemoteClock(
    async () => {
      await sleep(delays[Math.min(asked++, delays.length - 1)]);
      return Date.now() + HOUR;
    },
    (offset) => compared.push(offset),
  );
  return { clock, compared, asked: () => asked, error: () => Math.abs(clock.now() - (Date.now() + HOUR)) };
}

test("after a slow answer the clocks are compared again soon, and the better comparison counts", async () => {
  const { clock, asked, error } = remote([600, 0]);
  await clock.ready();
  assert.ok(error() > 200, `${error()} ms`);
  while (asked() < 2) {
    await sleep(20);
    await clock.ready();
  }
  await sleep(100);
  assert.ok(error() < 200, `${error()} ms`);
});

test("a slow answer does not replace a better comparison", async (t) => {
  const { clock, compared, asked, error } = remote([0, 600]);
  await clock.ready();
  const { now } = performance;
  t.mock.method(performance, "now", () => now.call(performance) + 61_000);
  t.mock.method(
    Date,
    "now",
    (
      (real) => () =>
        real() + 61_000
    )(Date.now.bind(Date)),
  );
  clock.ready();
  assert.equal(asked(), 2);
  await sleep(700);
  assert.equal(compared.length, 1);
  assert.ok(error() < 200, `${error()} ms`);
});

test("a quick answer is good for a minute", async () => {
  const { clock, asked } = remote([0]);
  await clock.ready();
  for (let i = 0; i < 12; i++) {
    await sleep(100);
    clock.ready();
  }
  assert.equal(asked(), 1);
});
