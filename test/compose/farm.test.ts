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

const CLIENTS = 12;
const SLEEPERS = 150;

test("a farm under load goes from file to redis to postgres: no request fails, no session is lost", async (t) => {
  const [redisServer, postgresServer] = await Promise.all([startRedis(), startPostgres()]);
  const file: Spec = { file: join(tempDir("farm"), "sessions") };
  const redis: Spec = { redis: redisServer.url };
  const postgres: Spec = { postgres: postgresServer.url };
  const farm = await Farm.start([file, file, file]);
  t.after(async () => {
    await farm.stop();
    await Promise.all([redisServer.stop(), postgresServer.stop()]);
  });

  // Some work all the time; some sleep until the end; some log out when the store has changed once.
  const sleepers = Array.from({ length: SLEEPERS }, () => new Client(farm));
  const leavers = Array.from({ length: 20 }, () => new Client(farm));
  await Promise.all([...sleepers, ...leavers].map((client) => client.post()));
  let isEnough = false;
  const workers = Array.from({ length: CLIENTS }, () => new Client(farm));
  const work = Promise.all(workers.map((worker) => worker.work(() => isEnough)));
  work.catch(() => {}); // heard of below

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
  await Promise.all(leavers.map((client) => client.logOut()));
  await change(redis, postgres);
  await sleep(300);
  isEnough = true;
  await work;

  for (const client of [...workers, ...sleepers, ...leavers]) assert.deepEqual(client.failures, []);
  for (const client of [...workers, ...sleepers]) assert.equal(await client.count(), client.sent);
  for (const client of leavers) assert.equal(await client.count(), undefined);
  const sent = workers.reduce((sum, worker) => sum + worker.sent, 0);
  assert.ok(sent > 1_000, `there was load: ${sent} requests`);
});
