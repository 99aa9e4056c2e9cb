// Stores that announce nothing are asked for many sessions together.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import mysql from "mysql2/promise";
import pg from "pg";
import { createSessions, type LiveSession, type SessionStore } from "../../src/index.ts";
import { mysql as mysqlStore } from "../../src/stores/mysql/index.ts";
import { postgres as postgresStore } from "../../src/stores/postgres/index.ts";
import { startMariadb } from "../servers/mariadb.ts";
import { startPostgres } from "../servers/postgres.ts";
import { SECRET } from "../support/stores.ts";

const SESSIONS = 200;

/** `statements` counts those that the database has run for the store. */
async function check(store: SessionStore, statements: () => Promise<number>): Promise<void> {
  const sessions = createSessions<{ n: number }>({ store, secret: SECRET, sweepInterval: false });
  const lives: LiveSession<{ n: number }>[] = [];
  for (let i = 0; i < SESSIONS; i++) {
    const session = await sessions.open(null);
    session.data.n = i;
    session.owner = `user-${i % 10}`;
    await session.commit();
    lives.push(sessions.follow(session));
  }
  await sleep(1000);
  const before = await statements();
  await sleep(2000);
  const perSession = ((await statements()) - before) / SESSIONS;
  assert.ok(perSession > 0 && perSession < 0.5, `${perSession} statements for a session in two seconds`);
  assert.equal(await sessions.revokeAll("user-3"), SESSIONS / 10);
  for (let tries = 0; tries < 100 && lives.filter(({ ended }) => ended).length < SESSIONS / 10; tries++)
    await sleep(50);
  for (const [i, { ended }] of lives.entries()) assert.equal(ended, i % 10 === 3 ? "ended" : undefined);
  for (const live of lives) live.stop();
  await sessions.close();
}

test("MySQL is asked by few statements", async (t) => {
  const server = await startMariadb();
  t.after(() => server.stop());
  const connection = await mysql.createConnection(server.url);
  t.after(() => connection.end());
  await check(mysqlStore({ url: server.url, createTable: true }), async () => {
    const [rows] = await connection.query(
      "show global status where Variable_name in ('Com_stmt_execute', 'Com_select')",
    );
    return (rows as { Value: string }[]).reduce((sum, { Value }) => sum + Number(Value), 0) / 2;
  });
});

test("PostgreSQL without notifications is asked by few statements", async (t) => {
  const server = await startPostgres();
  t.after(() => server.stop());
  const client = new pg.Client(server.url);
  client.on("error", () => {});
  t.after(() => client.end());
  await client.connect();
  await check(postgresStore({ url: server.url, createTable: true }), async () => {
    const { rows } = await client.query("select xact_commit from pg_stat_database where datname = current_database()");
    return Number(rows[0].xact_commit);
  });
});
