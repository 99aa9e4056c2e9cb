// Time limits for promises.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { watchdog, withTimeout } from "../../src/util/timeout.ts";

const never = () => new Promise<never>(() => {});
const late = () => new Error("too late");

describe("withTimeout", () => {
  test("settles as the work does", async () => {
    assert.equal(await withTimeout(Promise.resolve(1), 1_000, late), 1);
    await assert.rejects(withTimeout(Promise.reject(new Error("failed")), 1_000, late), /failed/);
  });

  test("rejects with the given error if the work takes too long", async () => {
    await assert.rejects(withTimeout(never(), 10, late), /too late/);
  });

  test("accepts a limit beyond the longest timer", async () => {
    assert.equal(await withTimeout(sleep(20, 1), 2 ** 40, late), 1);
  });
});

describe("watchdog", () => {
  test("calls back if there is no answer", async () => {
    const silence = new Promise<void>((resolve) => watchdog(never(), 10, resolve));
    // The watchdog's timer does not keep the process running.
    const running = setInterval(() => {}, 1_000);
    await silence;
    clearInterval(running);
  });

  test("does nothing after an answer, be it an error", async () => {
    let calls = 0;
    watchdog(Promise.resolve(), 10, () => calls++);
    watchdog(Promise.reject(new Error("failed")), 10, () => calls++);
    await sleep(50);
    assert.equal(calls, 0);
  });
});
