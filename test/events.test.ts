// Tests of events: listeners, one session's events in order, and the events of a farm.

import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Answer, Order } from "./fixtures/events/server.ts";
import { startPostgres } from "./servers/postgres.ts";
import { tempDir } from "./servers/process.ts";
import { startRedis } from "./servers/redis.ts";
import { login } from "./support/login.ts";
import { key, setUp } from "./support/set-up.ts";
import { SECRET } from "./support/stores.ts";

const SERVERS = 3;
const ROUNDS = 30;
const BROWSERS = 30;
const SERVER = fileURLToPath(new URL("./fixtures/events/server.ts", import.meta.url));

const environments: Record<string, () => Promise<{ address: string; stop?: () => Promise<void> }>> = {
  file: async () => ({ address: join(tempDir("events"), "sessions") }),
  redis: async () => {
    const { url, stop } = await startRedis();
    return { address: url, stop };
  },
  postgres: async () => {
    const { url, stop } = await startPostgres();
    return { address: url, stop };
  },
};

describe("events of a farm", () => {
  for (const [store, prepare] of Object.entries(environments)) {
    test(`${store}: every session that starts ends once, although servers end sessions concurrently`, async (t) => {
      const { address, stop } = await prepare();
      const farm = Array.from({ length: SERVERS }, () => fork(SERVER, [store, address, SECRET]));
      const exited = Promise.race(
        farm.map(async (server) => assert.fail(`a server exited with ${await once(server, "exit")}`)),
      );
      exited.catch(() => {}); // they are killed at the end
      const answerOf = (server: ChildProcess) =>
        Promise.race([new Promise<Answer>((resolve) => server.once("message", resolve)), exited]);
      try {
        await Promise.all(farm.map(answerOf));
        const answers: Answer[] = [];
        let cookies: string[] = [];
        const all = async (order: Order) => {
          for (const server of farm) server.send(order);
          const given = await Promise.all(farm.map(answerOf));
          answers.push(...given);
          return [...new Set(given.flatMap((answer) => answer.cookies))];
        };
        for (let round = 0; round < ROUNDS; round++) cookies = (await all({ cookies })).slice(-BROWSERS);
        await all({ sweep: true });
        await all({ close: true }); // a server's own sweep may have claimed some, and not reported them yet

        const starts = answers.flatMap((answer) => answer.starts.map(({ id }) => id));
        const ends = answers.flatMap((answer) => answer.ends);
        const endIds = ends.map(({ id }) => id);
        assert.deepEqual(twice(starts), [], "a session starts once");
        assert.deepEqual(twice(endIds), [], "a session ends once");
        assert.deepEqual(without(starts, endIds), [], "every session that starts ends");
        assert.deepEqual(without(endIds, starts), [], "every session that ends has started");
        assert.ok(ends.every(({ data }) => typeof data?.n === "number"));
        const reasons = Object.fromEntries(
          ["destroyed", "expired", "revoked", "replaced"].map((reason) => [
            reason,
            ends.filter((end) => end.reason === reason).length,
          ]),
        );
        t.diagnostic(JSON.stringify({ started: starts.length, ...reasons }));
        assert.ok(Object.values(reasons).every((count) => count > 0));
      } finally {
        for (const server of farm) server.kill("SIGKILL");
        await stop?.();
      }
    });
  }
});

describe("events", () => {
  test("reach listeners until they are removed", async () => {
    const { sessions } = setUp();
    const seen: string[] = [];
    const stop = sessions.on("start", ({ id }) => seen.push(id));
    const browser = await login(sessions, "u1");
    assert.deepEqual(seen, [key(browser)]);
    stop();
    await login(sessions, "u1");
    assert.equal(seen.length, 1);
  });

  test("disturb no request if a listener throws or rejects: the error becomes a warning", async () => {
    const { sessions } = setUp();
    const warnings: string[] = [];
    const onWarning = (warning: Error) => warnings.push(warning.message);
    process.on("warning", onWarning);
    sessions.on("start", () => {
      throw new Error("a listener's error");
    });
    sessions.on("start", async () => {
      throw new Error("an asynchronous listener's error");
    });
    const browser = await login(sessions, "u1", { a: 1 });
    await new Promise((resolve) => setTimeout(resolve, 10));
    process.off("warning", onWarning);
    assert.deepEqual(await browser.contents(), { a: 1 });
    assert.deepEqual(warnings, ["a listener's error", "an asynchronous listener's error"]);
  });

  test("report the starts and ends of a session in order, each once", async () => {
    const { browser, events } = setUp();
    await browser.request((session) => session.set("a", 1));
    const first = key(browser);
    await browser.request(() => {});
    await browser.request((session) => session.set("a", 2));
    await browser.request((session) => session.regenerate());
    const second = key(browser);
    await browser.request((session) => session.destroy());
    assert.deepEqual(events, [
      ["start", { id: first }],
      ["end", { id: first, reason: "replaced", data: { a: 2 } }],
      ["start", { id: second }],
      ["end", { id: second, reason: "destroyed", data: { a: 2 } }],
    ]);
  });
});

function twice(ids: string[]): string[] {
  const seen = new Set<string>();
  return ids.filter((id) => seen.has(id) || !seen.add(id));
}

function without(ids: string[], others: string[]): string[] {
  const known = new Set(others);
  return ids.filter((id) => !known.has(id));
}
