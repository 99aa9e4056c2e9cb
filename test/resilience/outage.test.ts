// Tests of an outage: several servers under load while their store is down.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Setup } from "../fixtures/counter/server.ts";
import { startPostgres } from "../servers/postgres.ts";
import { type ServerProcess, waitFor } from "../servers/process.ts";
import { startRedis } from "../servers/redis.ts";
import { type CounterServer, CountingBrowser, type Reply, startCounter } from "../support/counters.ts";
import { SECRET } from "../support/stores.ts";

const OUTAGE = Number(process.env.COATCHECK_OUTAGE_SECONDS ?? 5) * 1_000;
const BROWSERS = 24;
const MAX_MEMORY = 300 * 2 ** 20;

interface Outage {
  name: string;
  environment: string;
  start(): Promise<ServerProcess & { url: string }>;
  begin(server: ServerProcess): Promise<unknown> | void;
  end(server: ServerProcess): Promise<unknown> | void;
  /** True if the sessions survive the outage. */
  keeps: boolean;
}

const outages: Outage[] = [
  {
    name: "redis is killed, and comes back empty",
    environment: "redis",
    start: startRedis,
    begin: (server) => server.kill(),
    end: (server) => server.start(),
    keeps: false,
  },
  {
    name: "redis hangs: connections stay open, and nothing answers",
    environment: "redis",
    start: startRedis,
    begin: (server) => server.pause(),
    end: (server) => server.resume(),
    keeps: true,
  },
  {
    name: "postgres is restarted",
    environment: "postgres",
    start: () => startPostgres(),
    begin: (server) => server.stop(),
    end: (server) => server.start(),
    keeps: true,
  },
];

for (const { name, environment, start, begin, end, keeps } of outages) {
  describe(`under load, ${name}`, () => {
    let store: ServerProcess & { url: string };
    let farm: CounterServer[];
    let browsers: CountingBrowser[];

    beforeEach(async () => {
      store = await start();
      const setup: Setup = { environment, address: store.url, options: { secret: SECRET, storeTimeout: "1s" } };
      // The last server goes on with anonymous requests while the store is down.
      farm = [
        await startCounter(setup),
        await startCounter(setup),
        await startCounter({ ...setup, options: { ...setup.options, onStoreError: "anonymous" } }),
      ];
      browsers = Array.from({ length: BROWSERS }, () => new CountingBrowser());
    });
    afterEach(async () => {
      for (const browser of browsers) browser.close();
      for (const { child } of farm) child.kill("SIGKILL");
      await Promise.all(farm.map(({ exited }) => exited));
      await store.stop();
    });

    test("servers stay up, answer 503 or go on as anonymous, use bounded memory, and serve again", async (t) => {
      const writes: Reply[] = [];
      const reads: Reply[] = [];
      const anonymous: Reply[] = [];
      let isOver = false;
      let backAt = Number.POSITIVE_INFINITY;
      const servedAfter = farm.map(() => Number.POSITIVE_INFINITY);

      async function use(browser: CountingBrowser, first: number): Promise<void> {
        for (let turn = first; !isOver; turn++) {
          const at = turn % farm.length;
          const { port } = farm[at]!;
          const begun = performance.now();
          const wrote = await browser.increment(port);
          writes.push(wrote);
          if (wrote.status === 200 && begun > backAt) servedAfter[at] = Math.min(servedAfter[at]!, begun - backAt);
          (at === 2 ? anonymous : reads).push(await browser.get(port));
          await sleep(10);
        }
      }

      for (const [i, browser] of browsers.entries()) await browser.increment(farm[i % 2]!.port);
      const using = Promise.all(browsers.map(use));
      await sleep(1_000);
      assert.ok(
        writes.every(({ status }) => status === 200),
        "all writes succeed before the outage",
      );
      await begin(store);
      await sleep(OUTAGE);
      await end(store);
      backAt = performance.now();
      await waitFor("every server serves again", () => servedAfter.every(Number.isFinite), 20_000);
      const writesBefore = writes.length;
      await sleep(500);
      isOver = true;
      await using;

      for (const { child, messages } of farm) {
        assert.equal(child.exitCode ?? child.signalCode, null, "no server exits");
        if (messages.length > 0) assert.ok("storeUp" in messages.at(-1)!, JSON.stringify(messages));
      }
      assert.ok(farm.some(({ messages }) => messages.some((one) => "storeDown" in one)));
      for (const { status, headers } of [...writes, ...reads]) {
        assert.ok(status === 200 || status === 503, `${status}`);
        if (status === 503) assert.equal(headers["retry-after"], "1");
      }
      for (const { status } of anonymous) assert.equal(status, 200);
      assert.ok(anonymous.some(({ body }) => body === "none"));
      assert.ok(writes.some(({ status }) => status === 503));
      assert.ok(
        writes.slice(writesBefore).every(({ status }) => status === 200),
        "all writes succeed after the outage",
      );
      const memory = Math.max(...reads.map(({ headers }) => Number(headers["x-memory"] ?? 0)));
      assert.ok(memory < MAX_MEMORY, `${memory} bytes`);

      let failedButSaved = 0;
      for (const browser of keeps ? browsers : []) {
        const n = Number((await browser.get(farm[0]!.port)).body);
        const { saved, failed } = browser;
        assert.ok(
          n >= saved && n <= saved + failed,
          `${saved} increments were answered, ${failed} failed, and the count is ${n}`,
        );
        failedButSaved += n - saved;
      }

      const failed = writes.filter(({ status }) => status === 503).map(({ milliseconds }) => milliseconds);
      failed.sort((one, other) => one - other);
      t.diagnostic(
        JSON.stringify({
          writes: writes.length,
          failed: failed.length,
          failedButSaved,
          failedAfterMedian: Math.round(failed[failed.length >> 1]!),
          failedAfterLongest: Math.round(failed.at(-1)!),
          servedAfter: servedAfter.map(Math.round),
          memory: Math.round(memory / 2 ** 20),
        }),
      );
    });
  });
}
