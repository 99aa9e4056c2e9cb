// Changes the store of a farm of real processes, under load.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { MigratingStore } from "../../src/compose/index.ts";
import { startPostgres } from "../servers/postgres.ts";
import { tempDir } from "../servers/process.ts";
import { startRedis } from "../servers/redis.ts";
import { Client, Farm } from "./farm.ts";
import { type Spec, storeOf } from "./spec.ts";

const ACTIVE_CLIENTS = 12;
const IDLE_CLIENTS = 150;

test("a farm under load changes from file to redis to postgres: no request fails, and no session is lost", async (t) => {
  const [redisServer, postgresServer] = await Promise.all([startRedis(), startPostgres()]);
  const file: Spec = { file: join(tempDir("farm"), "sessions") };
  const redis: Spec = { redis: redisServer.url };
  const postgres: Spec = { postgres: postgresServer.url };
  const farm = await Farm.start([file, file, file]);
  t.after(async () => {
    await farm.stop();
    await Promise.all([redisServer.stop(), postgresServer.stop()]);
  });

  // Active clients send requests all the time, idle ones nothing until the end. Leaving ones log out after the first change.
  const idle = Array.from({ length: IDLE_CLIENTS }, () => new Client(farm));
  const leaving = Array.from({ length: 20 }, () => new Client(farm));
  await Promise.all([...idle, ...leaving].map((client) => client.post()));
  let isEnough = false;
  const active = Array.from({ length: ACTIVE_CLIENTS }, () => new Client(farm));
  const load = Promise.all(active.map((client) => client.postUntil(() => isEnough)));
  load.catch(() => {}); // awaited below

  const change = async (from: Spec, to: Spec) => {
    await farm.restart({ migrating: { from, to, phase: "prepare" } });
    await farm.restart({ migrating: { from, to, phase: "move" } });
    const copier = storeOf({ migrating: { from, to } }) as MigratingStore;
    const { failed, left, error } = await copier.copy({ perSecond: 2_000 });
    await copier.close();
    assert.deepEqual({ failed, left, error }, { failed: 0, left: 0, error: undefined });
    await farm.restart(to);
  };
  await change(file, redis);
  await Promise.all(leaving.map((client) => client.logOut()));
  await change(redis, postgres);
  await sleep(300);
  isEnough = true;
  await load;

  for (const client of [...active, ...idle, ...leaving]) assert.deepEqual(client.failures, []);
  for (const client of [...active, ...idle]) assert.equal(await client.count(), client.sent);
  for (const client of leaving) assert.equal(await client.count(), undefined);
  const sent = active.reduce((sum, client) => sum + client.sent, 0);
  assert.ok(sent > 1_000, `${sent} requests are too little load`);
});
