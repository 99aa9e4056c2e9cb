// What all composed stores do with their parts: concurrent calls, and the parts' clocks.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { cached, failover, migrating, partitioned } from "../../src/compose/index.ts";
import { createSessions } from "../../src/index.ts";
import type { SessionStore } from "../../src/store.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { waitFor } from "../servers/process.ts";
import { Browser } from "../support/browser.ts";
import { shiftedStore } from "../support/shifted-store.ts";
import { SECRET, watched } from "../support/stores.ts";
import { reachable } from "./reachable.ts";

const HOUR = 3_600_000;

/** Every composed store, made of these two. */
const composed: Record<string, (one: SessionStore, other: SessionStore) => SessionStore> = {
  cached: (one) => cached(one, { maxAge: "1h" }),
  partitioned: (one, other) => partitioned([one, other]),
  "migrating, preparing": (one, other) => migrating({ from: one, to: other, phase: "prepare" }),
  "migrating, moving": (one, other) => migrating({ from: one, to: other }),
  failover: (one, other) => failover({ primary: one, standby: other, after: 1, onTakeover: () => {} }),
};

for (const [name, compose] of Object.entries(composed)) {
  describe(`${name}: its parts`, () => {
    test("get concurrent deletes concurrently", async () => {
      const parts = [watched(), watched()] as const;
      const store = compose(...parts);
      const keys = Array.from({ length: 64 }, () => randomBytes(18).toString("base64url"));
      await Promise.all(keys.map((key) => store.create(key, { value: Buffer.from("coat"), expiresAt: soon(HOUR) })));
      let running = 0;
      let most = 0;
      for (const part of parts) {
        part.before = async (operation) => {
          if (operation !== "delete") return;
          most = Math.max(most, ++running);
          await sleep(50);
          running--;
        };
      }
      const answers = await Promise.all(keys.map((key) => store.delete(key)));
      assert.ok(answers.every(Boolean));
      assert.ok(most >= keys.length / 2, `only ${most} deletes ran concurrently`);
      await store.close();
    });

    for (const ahead of [HOUR, -HOUR]) {
      const where = `an hour ${ahead > 0 ? "ahead" : "behind"}`;
      test(`give the time, if this server's clock differs: it is ${where}`, async () => {
        const store = compose(shiftedStore(ahead), shiftedStore(ahead));
        assert.ok(Math.abs((await store.time!()) - soon(ahead)) < 1_000);
        const { sessions, browser, skews } = server(store);
        await browser.request((session) => session.set("n", 1));
        for (let round = 0; round < 3; round++) {
          await browser.request((session) => session.update("n", (n) => n! + 1));
          assert.equal(await sessions.sweep(), 0);
        }
        await browser.request((session) => assert.equal(session.get("n"), 4));
        assert.equal(skews.length, 1);
        await sleep(600);
        assert.equal((await browser.open()).isNew, true, "the session outlives its idle timeout");
        await sessions.close();
      });
    }

    test("have a clock, or the composed store has none", () => {
      assert.equal(compose(memory(), memory()).time, undefined);
      assert.equal(typeof compose(shiftedStore(0), shiftedStore(0)).time, "function");
    });
  });
}

for (const name of ["partitioned", "migrating, preparing", "migrating, moving"] as const) {
  test(`${name}: another part gives the time if one is down or hangs`, async () => {
    for (const isHanging of [false, true]) {
      for (const down of [0, 1]) {
        const parts = [shiftedStore(HOUR), shiftedStore(HOUR)] as [SessionStore, SessionStore];
        const part = reachable(parts[down]!, () => false);
        if (isHanging) part.time = () => new Promise(() => {});
        parts[down] = part;
        assert.ok(Math.abs((await composed[name]!(...parts).time!()) - soon(HOUR)) < 1_000);
      }
    }
  });
}

test("partitioned: every server goes by the same part's clock, in whatever order the parts are given", async (t) => {
  warnings(t);
  const [a, b] = [
    { name: "a", store: shiftedStore(HOUR) },
    { name: "b", store: shiftedStore(-HOUR) },
  ];
  for (const parts of [
    [a, b],
    [b, a],
  ]) {
    assert.ok(Math.abs((await partitioned(parts).time!()) - soon(HOUR)) < 1_000);
  }
});

test("migrating: the part where new sessions begin gives the time", async (t) => {
  warnings(t);
  const [from, to] = [shiftedStore(HOUR), shiftedStore(-HOUR)];
  assert.ok(Math.abs((await migrating({ from, to, phase: "prepare" }).time!()) - soon(HOUR)) < 1_000);
  assert.ok(Math.abs((await migrating({ from, to }).time!()) - soon(-HOUR)) < 1_000);
});

test("failover: the standby gives the time once it has taken over", async () => {
  const [primary, standby] = [shiftedStore(0), shiftedStore(20_000)];
  let isUp = true;
  const store = failover({ primary: reachable(primary, () => isUp), standby, after: 1, onTakeover: () => {} });
  assert.ok(Math.abs((await store.time!()) - soon(0)) < 1_000);
  isUp = false;
  await waitFor("the standby", () => store.time!().then(() => true));
  assert.ok(Math.abs((await store.time!()) - soon(20_000)) < 1_000);
  await store.close();
});

describe("composed stores: parts whose clocks differ", () => {
  for (const name of ["partitioned", "migrating, moving", "failover"] as const) {
    test(`${name}: are reported once, with what to do`, async (t) => {
      const warned = warnings(t);
      const store = composed[name]!(shiftedStore(0), shiftedStore(HOUR));
      for (let i = 0; i < 3; i++) await store.time!();
      await waitFor("the warning", () => warned.length > 0);
      await store.time!();
      assert.equal(warned.length, 1);
      assert.match(
        warned[0]!,
        new RegExp(
          `the stores in ${name.split(",")[0]}\\(\\) differ by 3600 s.*Set the clocks of the database servers`,
        ),
      );
    });

    test(`${name}: of less than a minute are no fault, nor is a part that is down`, async (t) => {
      const warned = warnings(t);
      await composed[name]!(shiftedStore(0), shiftedStore(50_000)).time!();
      const down = reachable(shiftedStore(HOUR), () => false);
      await composed[name]!(shiftedStore(0), down).time!();
      await sleep(300);
      assert.deepEqual(warned, []);
    });
  }
});

function soon(span: number): number {
  return Date.now() + span;
}

function server(store: SessionStore) {
  const sessions = createSessions<{ n: number }>({ store, secret: SECRET, idleTimeout: "500ms", sweepInterval: false });
  const skews: number[] = [];
  sessions.on("clockSkew", ({ offset }) => skews.push(offset));
  return { sessions, skews, browser: new Browser(sessions) };
}

function warnings(t: TestContext): string[] {
  const warned: string[] = [];
  t.mock.method(process, "emitWarning", (text: string) => warned.push(text));
  return warned;
}
