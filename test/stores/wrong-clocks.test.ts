// Servers whose clocks are an hour wrong, on the stores that all of them share: nothing ends, and nothing is lost.

import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { createSessions } from "../../src/index.ts";
import { type ClockReport, type ClockTask, type Counter, storeOf } from "../fixtures/sql/clock-process.ts";
import { startMariadb } from "../servers/mariadb.ts";
import { startPostgres } from "../servers/postgres.ts";
import { tempDir } from "../servers/process.ts";

const HOUR_MS = 3_600_000;
const SHIFTS = [-HOUR_MS, 0, HOUR_MS];
const PROGRAM = new URL("../fixtures/sql/clock-process.ts", import.meta.url);
const secret = "a secret that servers with wrong clocks share";

const folder = tempDir("wrong-clocks");
after(() => rmSync(folder, { recursive: true, force: true }));

/** Starts what the store needs. */
const environments: Record<ClockTask["store"], () => Promise<{ at: string; stop?(): Promise<void> }>> = {
  file: async () => ({ at: join(folder, "sessions") }),
  sqlite: async () => ({ at: join(folder, "sessions.db") }),
  async postgres() {
    const server = await startPostgres();
    return { at: server.url, stop: server.stop };
  },
  async mysql() {
    const server = await startMariadb();
    return { at: server.url, stop: server.stop };
  },
};

async function serve(task: ClockTask): Promise<ClockReport> {
  const child = fork(PROGRAM, [JSON.stringify(task)]);
  const exit = once(child, "exit").then(() => []);
  const [report] = await Promise.race([once(child, "message"), exit]);
  await exit;
  assert.ok(report, "a server ended early");
  return report as ClockReport;
}

for (const store of Object.keys(environments) as ClockTask["store"][]) {
  describe(store, () => {
    test("servers an hour behind and an hour ahead end no session, and lose no change", async () => {
      const { at, stop } = await environments[store]();
      const kept = storeOf({ store, at });
      const sessions = createSessions<Counter>({ store: kept, secret, sweepInterval: false });
      try {
        const cookies: string[] = [];
        for (let index = 0; index < 6; index++) {
          const session = await sessions.open(undefined);
          session.data.n = 0;
          cookies.push((await session.commit())[0]!.split(";")[0]!);
        }
        const task = { store, at, secret, cookies, rounds: 15 };
        const reports = await Promise.all(SHIFTS.map((shift) => serve({ ...task, shift })));
        for (const [index, { offset, ended, clockSkews }] of reports.entries()) {
          const shift = SHIFTS[index]!;
          assert.ok(Math.abs(offset + shift) < 60_000, `the store's time is ${offset} ms off`);
          assert.equal(ended, 0);
          assert.equal(clockSkews.length > 0, shift !== 0);
        }
        for (const [index, cookie] of cookies.entries()) {
          const session = await sessions.open(cookie);
          const acknowledged = reports.reduce((sum, { changes }) => sum + changes[index]!, 0);
          assert.equal(session.data.n, acknowledged);
          assert.equal(acknowledged, SHIFTS.length * task.rounds);
          assert.ok(Math.abs(session.expiresAt - Date.now() - HOUR_MS / 3) < 60_000);
        }
        for (const cookie of reports.flatMap(({ begun }) => begun)) {
          assert.equal((await sessions.open(cookie)).data.n, 1);
        }
        assert.equal(await sessions.sweep(), 0);
      } finally {
        await sessions.close();
        await stop?.();
      }
    });

    test("a session expires by the store's clock, whatever a server's clock is", async () => {
      const { at, stop } = await environments[store]();
      const server = storeOf({ store, at });
      try {
        const now = await server.time!();
        const value = Buffer.from("coat");
        for (const [key, expiresAt] of [
          ["short", now + 300],
          ["long", now + 60_000],
        ] as const) {
          await server.create(key, { value, expiresAt });
        }
        while ((await server.time!()) <= now + 300);
        assert.equal(await server.read("short"), undefined);
        assert.equal(await server.touch("short", now + 60_000), false);
        assert.equal(await server.delete("short"), false);
        assert.equal((await server.read("long", now))?.expiresAt, now + 60_000);
        const listed: string[] = [];
        for await (const { key } of server.list!({})) listed.push(key);
        assert.ok(listed.includes("long") && !listed.includes("short"));
        assert.notEqual(await server.create("short", { value, expiresAt: now + 60_000 }), "exists");
      } finally {
        await server.close();
        await stop?.();
      }
    });
  });
}
