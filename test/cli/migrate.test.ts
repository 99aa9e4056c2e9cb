// Migrating goes on where kill -9 stopped it: no session is moved twice, lost or changed.
//
// COATCHECK_MIGRATE_SESSIONS=200000 moves that many; the figures are printed.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import type { SessionStore, SessionWrite } from "../../src/index.ts";
import { postgres, schema as postgresSchema } from "../../src/stores/postgres/index.ts";
import { redis } from "../../src/stores/redis/index.ts";
import { sqlite } from "../../src/stores/sqlite/index.ts";
import { type PostgresServer, startPostgres } from "../servers/postgres.ts";
import { tempDir } from "../servers/process.ts";
import { type RedisServer, startRedis } from "../servers/redis.ts";
import { coatcheck, program, SECRET } from "./cli.ts";

const SESSIONS = Number(process.env.COATCHECK_MIGRATE_SESSIONS ?? 3_000);
const KILLS = 3;
const LIFE_MS = 24 * 3_600_000;
/** How many sessions a copy moves concurrently. A move that a kill interrupts is finished by the next copy. */
const UNDER_WAY = 16;

const keyOf = (i: number) => createHash("sha256").update(`key ${i}`).digest("base64url").slice(0, 24);

/** Every session has contents of its own, so that a mix-up shows. */
function sessionOf(i: number, from: number): SessionWrite {
  const value = createHash("sha512").update(`value ${i}`).digest();
  return {
    value: Buffer.concat(Array.from({ length: 1 + (i % 8) }, () => value)),
    expiresAt: from + i,
    ...(i % 3 > 0 && {
      owner: createHash("sha256")
        .update(`owner ${i % 1_000}`)
        .digest("base64url")
        .slice(0, 24),
    }),
  };
}

async function inParallel(count: number, work: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  const one = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: 32 }, one));
}

async function countIn(store: SessionStore): Promise<number> {
  let count = 0;
  for await (const _ of store.list!({})) count++;
  return count;
}

/** Kills a migration when `isReached`, or fails if it ends before. */
async function killWhen(args: string[], cwd: string, isReached: () => Promise<boolean>): Promise<void> {
  const child = spawn(process.execPath, [program, ...args], { cwd, stdio: ["ignore", "ignore", "pipe"] });
  let stderr = "";
  child.stderr.on("data", (text) => (stderr += text));
  const ended = once(child, "exit");
  try {
    while (!(await isReached())) {
      assert.equal(child.exitCode, null, `it has ended before it was killed: ${stderr}`);
      await sleep(5);
    }
  } finally {
    child.kill("SIGKILL");
    await ended;
  }
  assert.equal(child.signalCode, "SIGKILL", stderr);
}

/** Moves all sessions, with three kills on the way, and compares the last of them. */
async function migrateWithKills(
  cwd: string,
  from: string,
  to: string,
  source: SessionStore,
  target: SessionStore,
  countTarget: () => Promise<number>,
): Promise<void> {
  const expiresFrom = Date.now() + LIFE_MS;
  await inParallel(SESSIONS, async (i) => {
    assert.notEqual(await source.create(keyOf(i), sessionOf(i, expiresFrom)), "exists");
  });
  const args = ["migrate", "--from", from, "--to", to, "--per-second", "1000000", "--json"];
  const left: number[] = [];
  const startedAt = performance.now();
  for (let kill = 1; kill <= KILLS; kill++) {
    const enough = (SESSIONS * kill) / (KILLS + 1);
    await killWhen(args, cwd, async () => (await countTarget()) >= enough);
    left.push(await countIn(source));
  }
  for (const [i, count] of left.entries()) {
    assert.ok(count > 0 && count < (left[i - 1] ?? SESSIONS), `left after each kill: ${left}`);
  }
  const { code, stdout, stderr } = await coatcheck(args, { cwd });
  const seconds = (performance.now() - startedAt) / 1_000;
  assert.equal(code, 0, stderr);
  const result = JSON.parse(stdout) as { moved: number; left: number; arrived: number };
  assert.deepEqual({ left: result.left, arrived: result.arrived }, { left: 0, arrived: SESSIONS });
  // It goes on: the last run moves what the third kill has left, and nothing that was there already.
  const last = left.at(-1)!;
  assert.ok(
    result.moved <= last && result.moved >= last - UNDER_WAY,
    `moved ${result.moved} of ${last} that were left`,
  );

  assert.equal(await countIn(source), 0);
  assert.equal(await countIn(target), SESSIONS);
  await inParallel(SESSIONS, async (i) => {
    const { version: _, ...found } = (await target.read(keyOf(i)))!;
    const wanted = sessionOf(i, expiresFrom);
    assert.deepEqual({ ...found, value: Buffer.from(found.value) }, wanted, `session ${i}`);
  });
  if (SESSIONS >= 10_000) {
    console.log(
      `${SESSIONS} sessions in ${seconds.toFixed(0)} s, killed with ${left.join(", ")} left; the last run moved ${result.moved}.`,
    );
  }
}

describe(`${SESSIONS} sessions move through ${KILLS} kills`, () => {
  let cache: RedisServer;
  let database: PostgresServer;
  let client: pg.Client;
  before(async () => {
    [cache, database] = await Promise.all([startRedis(), startPostgres()]);
    client = new pg.Client({ connectionString: database.url });
    await client.connect();
  });
  after(async () => {
    await client.end();
    await Promise.all([cache.stop(), database.stop()]);
  });

  test("from SQLite to Redis, and from Redis to PostgreSQL", async () => {
    const cwd = tempDir("migrate");
    const path = join(cwd, "sessions.sqlite");
    const files = sqlite({ path });
    const memory = redis({ url: cache.url });
    await client.query(postgresSchema({ table: "visits" }));
    const table = postgres({ url: database.url, table: "visits" });
    // A table of another name, so that the command has to go by the settings of the file.
    writeFileSync(
      join(cwd, "new.json"),
      JSON.stringify({ mode: "postgres", options: { url: database.url, table: "visits" }, secret: SECRET }),
    );
    try {
      // The owners' indexes are keys of Redis, too, so the kills come a little early.
      await migrateWithKills(cwd, `sqlite:${path}`, cache.url, files, memory, async () =>
        Number(await cache.cli("dbsize")),
      );
      await cache.cli("flushall");
      await migrateWithKills(cwd, cache.url, "new.json", memory, table, async () => {
        const { rows } = await client.query("SELECT count(*)::int AS count FROM visits");
        return rows[0].count;
      });
    } finally {
      await Promise.all([files.close(), memory.close(), table.close()]);
    }
  });
});
