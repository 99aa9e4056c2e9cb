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
import { SECRET } from "./support/stores.ts";

const SERVERS = 3;
const ROUNDS = 30;
const BROWSERS = 30;
const SERVER = fileURLToPath(new URL("./fixtures/events/server.ts", import.meta.url));

const places: Record<string, () => Promise<{ address: string; stop?: () => Promise<void> }>> = {
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
  for (const [store, prepare] of Object.entries(places)) {
    test(`${store}: every session that starts ends once, whoever ends it and however many try at once`, async (t) => {
      const { address, stop } = await prepare();
      const farm = Array.from({ length: SERVERS }, () => fork(SERVER, [store, address, SECRET]));
      const died = Promise.race(
        farm.map(async (server) => assert.fail(`a server exited with ${await once(server, "exit")}`)),
      );
      died.catch(() => {}); // at the end they are killed
      const heard = (server: ChildProcess) =>
        Promise.race([new Promise<Answer>((resolve) => server.once("message", resolve)), died]);
      try {
        await Promise.all(farm.map(heard));
        const answers: Answer[] = [];
        let cookies: string[] = [];
        const all = async (order: Order) => {
          for (const server of farm) server.send(order);
          const given = await Promise.all(farm.map(heard));
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
        assert.deepEqual(without(starts, endIds), [], "what starts ends");
        assert.deepEqual(without(endIds, starts), [], "what ends has started");
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

function twice(ids: string[]): string[] {
  const seen = new Set<string>();
  return ids.filter((id) => seen.has(id) || !seen.add(id));
}

function without(ids: string[], others: string[]): string[] {
  const known = new Set(others);
  return ids.filter((id) => !known.has(id));
}
