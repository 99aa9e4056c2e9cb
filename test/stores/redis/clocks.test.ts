// Servers with wrong clocks on one Redis: no session ends, and nothing that was acknowledged is lost.

import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { describe, type TestContext, test } from "node:test";
import type { RedisOptions } from "../../../src/stores/redis/index.ts";
import { startRedis, startRedisCluster } from "../../servers/redis.ts";
import type { ClockReply, ClockRequest, ClockSettings } from "./clock-process.ts";

const HOUR = 3_600_000;
const TURNS = 60;

async function startServer(
  t: TestContext,
  settings: ClockSettings,
): Promise<(request: ClockRequest) => Promise<ClockReply>> {
  const child: ChildProcess = fork(new URL("./clock-process.ts", import.meta.url), [JSON.stringify(settings)]);
  t.after(() => child.kill("SIGKILL"));
  await once(child, "message");
  return async (request) => {
    child.send(request);
    const [reply] = (await once(child, "message")) as [ClockReply];
    assert.equal(reply.error, undefined);
    return reply;
  };
}

async function keepsEverything(t: TestContext, redis: RedisOptions): Promise<void> {
  const servers = await Promise.all([0, -HOUR, HOUR].map((shift) => startServer(t, { shift, redis })));
  let cookie: string | undefined;
  for (let turn = 1; turn <= TURNS; turn++) {
    const reply = await servers[turn % 3]!({ call: "increment", cookie });
    assert.equal(reply.value, turn);
    cookie = reply.cookie;
    // The servers that do not write read and sweep.
    const others = await Promise.all([1, 2].map((i) => servers[(turn + i) % 3]!({ call: "read", cookie })));
    assert.deepEqual(others.map(({ value }) => value), [turn, turn]); // biome-ignore format: one line
    if (turn % 10 !== 0) continue;
    const swept = await Promise.all(servers.map((server) => server({ call: "sweep" })));
    assert.deepEqual(swept.map(({ value }) => value), [0, 0, 0]); // biome-ignore format: one line
    const listed = await Promise.all(servers.map((server) => server({ call: "list" })));
    assert.deepEqual(listed.map(({ value }) => value), [1, 1, 1]); // biome-ignore format: one line
  }
}

describe("redis: three servers, one an hour behind and one an hour ahead", { concurrency: true }, () => {
  test("on one server", async (t) => {
    const server = await startRedis();
    t.after(() => server.stop());
    await keepsEverything(t, { url: server.url });
  });

  test("with keepExpired", async (t) => {
    const server = await startRedis();
    t.after(() => server.stop());
    await keepsEverything(t, { url: server.url, keepExpired: "1m" });
  });

  test("on a Cluster", async (t) => {
    const cluster = await startRedisCluster(2);
    t.after(() => cluster.stop());
    await keepsEverything(t, { cluster: { nodes: cluster.urls } });
  });
});
