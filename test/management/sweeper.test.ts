// Tests of the sweeper: expired sessions are removed, and each end is reported once.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ticketSigner } from "../../src/cookies/ticket.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { isAlive, login } from "../support/login.ts";
import { clock, MINUTE, named, setUp } from "../support/set-up.ts";
import { SECRET, watched } from "../support/stores.ts";

const signer = ticketSigner([SECRET]);

describe("sweeping", () => {
  test("removes expired sessions, reports each with its data, and leaves live ones", async (t) => {
    const tick = clock(t);
    const { sessions, events, store } = setUp({ idleTimeout: "20m" });
    const old = await Promise.all([1, 2, 3].map((n) => login(sessions, "u1", { n })));
    const ids = await Promise.all(old.map(async (browser) => (await browser.open()).id));
    tick(15 * MINUTE);
    const young = await login(sessions, "u2");
    tick(6 * MINUTE);
    assert.equal(await sessions.sweep(), 3);
    assert.equal(await sessions.sweep(), 0);
    assert.deepEqual(
      named(events, "end").map(({ id, reason, data }) => [id, reason, data]).sort(),
      ids.map((id, i) => [id, "expired", { n: i + 1 }]).sort(),
    ); // biome-ignore format: one line
    assert.equal(await isAlive(young), true);
    assert.ok(store.calls.includes("claimExpired"));
  });

  test("by several servers reports each session once", async (t) => {
    const tick = clock(t);
    const store = watched();
    const servers = Array.from({ length: 4 }, () => setUp({}, store));
    await Promise.all(Array.from({ length: 40 }, (_, n) => login(servers[n % 4]!.sessions, "u", { n })));
    tick(30 * MINUTE);
    const totals = await Promise.all(servers.map(({ sessions }) => sessions.sweep()));
    assert.equal(totals.reduce((sum, total) => sum + total), 40); // biome-ignore format: one line
    const ends = servers.flatMap(({ events }) => named(events, "end"));
    assert.equal(new Set(ends.map(({ id }) => id)).size, 40);
    assert.equal(ends.length, 40);
  });

  test("of more than one batch continues until all are removed", async (t) => {
    const tick = clock(t);
    const { sessions, store } = setUp();
    await Promise.all(Array.from({ length: 250 }, () => login(sessions, "u")));
    tick(30 * MINUTE);
    assert.equal(await sessions.sweep(), 250);
    assert.equal(store.calls.filter((call) => call === "claimExpired").length, 3);
  });

  test("continues after a record that can't be opened", async (t) => {
    const tick = clock(t);
    const inner = memory();
    const { sessions, events } = setUp({}, watched(inner));
    await login(sessions, "u", { n: 1 });
    const stray = signer.issue().key;
    await inner.create(stray, { value: new Uint8Array([1, 2, 3]), expiresAt: Date.now() + MINUTE });
    tick(30 * MINUTE);
    assert.equal(await sessions.sweep(), 2);
    assert.equal(named(events, "end").length, 2);
    assert.deepEqual(named(events, "unreadable").map(({ id }) => id), [stray]); // biome-ignore format: one line
  });

  test("repeats until the sessions are closed", async () => {
    const { sessions, store } = setUp({ sweepInterval: 10, idleTimeout: 20 });
    await login(sessions, "u");
    const end = new Promise((resolve) => sessions.on("end", resolve));
    assert.deepEqual(((await end) as { reason: string }).reason, "expired");
    let proceed = () => {};
    const sweeping = new Promise<void>((resolve) => {
      store.before = (operation) => {
        if (operation !== "claimExpired") return;
        resolve();
        return new Promise<void>((resolve) => {
          proceed = resolve;
        });
      };
    });
    await sweeping;
    const closing = sessions.close(); // while a sweep is under way
    proceed();
    await closing;
    store.calls.length = 0;
    await new Promise((resolve) => setTimeout(resolve, 60));
    assert.deepEqual(store.calls, []);
  });

  test("at an interval beyond a timer's limit does not repeat without a pause", async () => {
    const { sessions, store } = setUp({ sweepInterval: "60d", storeTimeout: "60d" });
    await login(sessions, "u");
    await new Promise((resolve) => setTimeout(resolve, 60));
    assert.deepEqual(store.calls, ["create"]);
    await sessions.close();
  });
});
