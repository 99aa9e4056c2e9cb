// The clock of a web service, as the Date headers of its answers tell it.

import assert from "node:assert/strict";
import { afterEach, mock, test } from "node:test";
import { ServiceClock } from "../../../src/stores/shared/service-clock.ts";

const HOUR_MS = 3_600_000;

function header(instant: number): string {
  return new Date(instant).toUTCString();
}

function assertNear(actual: number, expected: number, within: number): void {
  assert.ok(Math.abs(actual - expected) <= within, `${actual - expected} ms off`);
}

afterEach(() => mock.timers.reset());

test("before an answer, and where an answer has no date, it is this process's time", () => {
  const clock = new ServiceClock();
  for (const date of [undefined, null, "soon", 5]) clock.hear(date, performance.now());
  assert.equal(clock.isSet, false);
  assertNear(clock.now(), Date.now(), 50);
});

test("a process whose clock agrees uses its own, which has milliseconds", () => {
  for (const offset of [-1_000, 0, 500]) {
    const clock = new ServiceClock();
    clock.hear(header(Date.now() + offset), performance.now());
    assert.equal(clock.isSet, true);
    assertNear(clock.now(), Date.now(), 50);
  }
});

test("a process whose clock is wrong uses the service's", () => {
  for (const offset of [-HOUR_MS, HOUR_MS]) {
    const clock = new ServiceClock();
    clock.hear(header(Date.now() + offset), performance.now());
    assertNear(clock.now(), Date.now() + offset, 600);
    assert.equal(clock.now() % 1, 0, "whole milliseconds");
  }
});

test("answers around the end of a second tell the time more finely", () => {
  const clock = new ServiceClock();
  const second = Math.floor(Date.now() / 1000) * 1000 + HOUR_MS;
  clock.hear(header(second), performance.now());
  clock.hear(header(second + 1_000), performance.now());
  assertNear(clock.now(), second + 1_000, 50);
});

test("a service whose clock is set takes the process with it", () => {
  const clock = new ServiceClock();
  clock.hear(header(Date.now() + HOUR_MS), performance.now());
  clock.hear(header(Date.now() - HOUR_MS), performance.now());
  assertNear(clock.now(), Date.now() - HOUR_MS, 600);
});

test("a clock of this process that is set does not matter", () => {
  const clock = new ServiceClock();
  const start = Date.now();
  mock.timers.enable({ apis: ["Date"], now: start });
  clock.hear(header(start), performance.now());
  mock.timers.setTime(start + HOUR_MS);
  assertNear(clock.now(), start, 1_100);
});

test("time sends a request only if there was no answer lately, or this process's clock was set since", async () => {
  const clock = new ServiceClock();
  const start = Date.now();
  mock.timers.enable({ apis: ["Date"], now: start });
  let requests = 0;
  const ask = async () => {
    requests++;
    clock.hear(header(start), performance.now());
  };
  assertNear(await clock.time(ask), start, 600);
  assertNear(await clock.time(ask), start, 600);
  assert.equal(requests, 1);
  for (const offset of [-HOUR_MS, HOUR_MS]) {
    mock.timers.setTime(start + offset);
    assertNear(await clock.time(ask), start, 1_100);
  }
  assert.equal(requests, 3);
});
