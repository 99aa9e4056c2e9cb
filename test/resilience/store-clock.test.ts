// Tests of the store's clock: servers whose clocks are wrong end nobody's session.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createSessions, type SessionStore, StoreError } from "../../src/index.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { Browser } from "../support/browser.ts";
import { shiftedStore } from "../support/shifted-store.ts";
import { SECRET } from "../support/stores.ts";

const HOUR = 3_600_000;

interface Data {
  n: number;
}

function server(store: SessionStore, idleTimeout: "500ms" | "20m" = "20m") {
  const sessions = createSessions<Data>({ store, secret: SECRET, idleTimeout, sweepInterval: false });
  const skews: number[] = [];
  sessions.on("clockSkew", ({ offset }) => skews.push(offset));
  return { sessions, skews, browser: new Browser<Data>(sessions) };
}

for (const [name, ahead] of [
  ["an hour behind", HOUR],
  ["an hour ahead", -HOUR],
] as const) {
  describe(`a server whose clock is ${name} of the store's`, () => {
    test("begins sessions by the store's clock, which every server shares", async () => {
      const { browser } = server(shiftedStore(ahead));
      await browser.request((session) => session.set("n", 1));
      const { createdAt, expiresAt } = await browser.open();
      assert.ok(Math.abs(createdAt - (Date.now() + ahead)) < 10_000);
      assert.ok(Math.abs(expiresAt - (Date.now() + ahead + HOUR / 3)) < 10_000);
    });

    test("sweeps only what has expired", async () => {
      const { browser, sessions } = server(shiftedStore(ahead), "500ms");
      await browser.request((session) => session.set("n", 1));
      assert.equal(await sessions.sweep(), 0);
      await browser.request((session) => assert.equal(session.get("n"), 1));
      while ((await sessions.sweep()) === 0) await sleep(50);
      assert.equal((await browser.open()).isNew, true);
    });

    test("ends a session after its idle timeout, and not before", async () => {
      const { browser } = server(shiftedStore(ahead), "500ms");
      await browser.request((session) => session.set("n", 1));
      await browser.request((session) => assert.equal(session.isNew, false));
      await sleep(600);
      assert.equal((await browser.open()).isNew, true);
    });

    test("says so", async () => {
      const { browser, skews } = server(shiftedStore(ahead));
      await browser.request((session) => session.set("n", 1));
      assert.equal(skews.length, 1);
      assert.ok(Math.abs(skews[0]! + ahead) < 1_000, String(skews[0]));
    });
  });
}

test("a difference of less than a minute is corrected without a word", async () => {
  const { browser, skews } = server(shiftedStore(59_000));
  await browser.request((session) => session.set("n", 1));
  assert.deepEqual(skews, []);
});

test("many requests ask for the store's time once", async () => {
  const store = shiftedStore(HOUR);
  const { browser } = server(store);
  await browser.request((session) => session.set("n", 1));
  await Promise.all(Array.from({ length: 20 }, () => browser.open()));
  assert.equal(store.times, 1);
});

test("the clock of this server may jump: the store is asked for its time again, and no session ends", async (t) => {
  const inner = memory();
  const start = Date.now();
  // The store keeps right time whatever becomes of this process's clock.
  const began = performance.now();
  const now = () => Math.floor(start + performance.now() - began);
  const store = shiftedStore(0, inner);
  store.time = async () => {
    store.times++;
    return now();
  };
  const { browser } = server(store);
  await browser.request((session) => session.set("n", 1));
  const first = store.times;
  t.mock.method(Date, "now", () => now() - HOUR);
  const session = await browser.open();
  t.mock.reset();
  assert.equal(store.times, first + 1);
  assert.ok(Math.abs(session.createdAt - start) < 10_000);
});

test("a store that can't give its time is down, and is asked again by the next request", async () => {
  const store = shiftedStore(HOUR);
  const { time } = store;
  const { browser } = server(store);
  store.time = async () => {
    throw new Error("no time");
  };
  await assert.rejects(
    browser.request((session) => session.set("n", 1)),
    (error) => error instanceof StoreError && /give its time: no time/.test(error.message),
  );
  store.time = time!;
  await browser.request((session) => session.set("n", 1));
  assert.deepEqual(await browser.contents(), { n: 1 });
});
