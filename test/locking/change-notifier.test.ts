// Tests of the change notifier: it wakes requests that wait for a session to change.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { ChangeNotifier } from "../../src/locking/change-notifier.ts";
import type { SessionChange, SessionStore } from "../../src/store.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { settledWithin } from "../support/farm.ts";

// Well below the recheck interval of a waiter that gets notifications.
const SOON = 500;
const LONG = 60_000;

const change: SessionChange = { key: "a", type: "write" };

/** A store whose notifications the test sends. */
function notifyingStore() {
  let listener: (change: SessionChange) => void = () => {};
  let onListening: ((listening: boolean) => void) | undefined;
  const watch = { subscriptions: 0, stopped: 0, fails: false };
  const store: SessionStore = {
    ...memory(),
    async watch(...given) {
      watch.subscriptions++;
      if (watch.fails) throw new Error("the test refuses");
      [listener, onListening] = given;
      return async () => void watch.stopped++;
    },
  };
  return {
    store,
    watch,
    notify: (change: SessionChange) => listener(change),
    setListening: (listening: boolean) => onListening!(listening),
  };
}

describe("a change waiter", () => {
  test("is woken by a notification of its own session only", async () => {
    const { store, notify } = notifyingStore();
    const waiter = new ChangeNotifier(store).watch("a");
    await turn();
    await waiter.wait(LONG); // returns immediately: the subscription has just begun
    const waiting = waiter.wait(LONG);
    notify({ ...change, key: "b" });
    assert.equal(await settledWithin(waiting, 50), false);
    notify(change);
    assert.equal(await settledWithin(waiting, SOON), true);
  });

  test("does not miss a notification between two waits, and gets it once", async () => {
    const { store, notify } = notifyingStore();
    const waiter = new ChangeNotifier(store).watch("a");
    await turn();
    await waiter.wait(LONG);
    notify(change);
    assert.equal(await settledWithin(waiter.wait(LONG), SOON), true);
    assert.equal(await settledWithin(waiter.wait(LONG), 50), false);
  });

  test("waits no longer than it is given", async () => {
    const { store } = notifyingStore();
    const waiter = new ChangeNotifier(store).watch("a");
    await turn();
    await waiter.wait(LONG);
    assert.equal(await settledWithin(waiter.wait(10), SOON), true);
  });

  test("ends its waits after growing pauses if the store sends no notifications", async () => {
    const { watch: _, ...store } = memory();
    const waiter = new ChangeNotifier(store).watch("a");
    const began = performance.now();
    for (let i = 0; i < 10; i++) await waiter.wait(LONG);
    // At least half of 1 + 2 + 4 … 64 + 64 + 64 + 64. After that, no pause is as long as the recheck interval.
    const took = performance.now() - began;
    assert.ok(took > 150, `${took} ms`);
    assert.equal(await settledWithin(waiter.wait(LONG), SOON), true);
  });

  test("is woken immediately when the subscription is lost, and waits only for pauses from then on", async () => {
    const { store, setListening } = notifyingStore();
    const waiter = new ChangeNotifier(store).watch("a");
    await turn();
    await waiter.wait(LONG);
    const waiting = waiter.wait(LONG);
    setListening(false);
    for (const wait of [waiting, waiter.wait(LONG), waiter.wait(LONG)]) {
      assert.equal(await settledWithin(wait, SOON), true);
    }
  });

  test("subscribes again after a failed subscription, and only once", async () => {
    const { store, watch } = notifyingStore();
    const notifier = new ChangeNotifier(store);
    assert.equal(watch.subscriptions, 0);
    watch.fails = true;
    notifier.watch("a").stop();
    await turn();
    watch.fails = false;
    for (const key of ["a", "b", "c"]) notifier.watch(key).stop();
    await turn();
    assert.equal(watch.subscriptions, 2);
    await notifier.close();
    assert.equal(watch.stopped, 1);
  });
});
