// The console while its store is down: it says so, goes on, and recovers by itself.

import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { console as webConsole } from "../../src/console/index.ts";
import { createSessions } from "../../src/index.ts";
import { redis } from "../../src/stores/redis/index.ts";
import { type RedisServer, startRedis } from "../servers/redis.ts";
import { SECRET } from "../support/stores.ts";
import { Viewer } from "./viewer.ts";

interface Outage {
  reason: RegExp;
  begin(server: RedisServer): unknown;
  end(server: RedisServer): unknown;
}

const OUTAGES: Record<string, Outage> = {
  "answers nothing": {
    reason: /^(it did not answer within 1500 ms|calls to it fail: .*)$/,
    begin: (server) => server.pause(),
    end: (server) => server.resume(),
  },
  "is stopped": {
    reason: /^it (can't be reached \(E\w+\)|did not answer)|^calls to it fail/,
    begin: (server) => server.kill(),
    end: (server) => server.start(),
  },
};

async function start(t: TestContext, url: string, name: string) {
  const sessions = createSessions<{ n: number }>({ store: redis({ url }), secret: SECRET, sweepInterval: false });
  t.after(() => sessions.close().catch(() => {}));
  const web = webConsole(sessions, { authorize: () => true, name });
  const viewer = await Viewer.open((path, init) => web.fetch(new Request(`http://console.test/${path}`, init)));
  t.after(() => viewer.leave());
  return { sessions, viewer };
}

describe("while Redis", () => {
  for (const [what, outage] of Object.entries(OUTAGES)) {
    test(`${what}, each console says that it is down, shows the servers as they were, and recovers`, async (t) => {
      const server = await startRedis();
      t.after(() => server.stop());
      const farm = [await start(t, server.url, "one"), await start(t, server.url, "other")];
      for (const { viewer } of farm) await viewer.until("both servers", ({ servers }) => servers.length === 2);
      const begun = farm[0]!.viewer.states.at(-1)!.store.since;
      await outage.begin(server);
      for (const { viewer } of farm) {
        const { store } = await viewer.until("the outage", (state) => state.store.status === "down");
        assert.ok(store.since > begun);
        assert.match(store.reason!, outage.reason);
        const before = viewer.states.length;
        await viewer.until("more states", () => viewer.states.length > before + 3);
        const { servers, store: still } = viewer.states.at(-1)!;
        assert.equal(still.since, store.since);
        assert.deepEqual(servers.map(({ name, status }) => [name, status]).sort(), [["one", "up"], ["other", "up"]]); // biome-ignore format: one line
      }
      await outage.end(server);
      for (const { viewer } of farm) {
        const { store } = await viewer.until("the recovery", (state) => state.store.status === "up");
        assert.equal(store.reason, undefined);
      }
      const session = await farm[0]!.sessions.open(null);
      session.set("n", 1);
      await session.commit();
      // Reports and counts go on.
      const started = (viewer: Viewer) => viewer.states.at(-1)?.servers.find(({ name }) => name === "one")?.totals.started; // biome-ignore format: one line
      await farm[1]!.viewer.until("the report", () => started(farm[1]!.viewer) === 1);
      for (const { viewer } of farm) await viewer.until("the count", ({ alive }) => alive?.count === 1);
    });
  }

  test("is down from the beginning, the console starts, and has what it needs once Redis is there", async (t) => {
    const server = await startRedis();
    t.after(() => server.stop());
    await server.kill();
    const { viewer } = await start(t, server.url, "one");
    const { servers, store } = await viewer.until("a state", () => true);
    assert.deepEqual([store.status, servers.length, servers[0]!.name], ["down", 1, "one"]);
    await server.start();
    const other = await start(t, server.url, "other");
    for (const one of [viewer, other.viewer]) await one.until("both servers", (state) => state.servers.length === 2);
  });
});
