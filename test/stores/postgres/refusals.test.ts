// The PostgreSQL store, whose server refuses: writes, accounts, databases. Each error says why, and what was not applied.

import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { inspect } from "node:util";
import pg from "pg";
import { CoatcheckError, StoreError } from "../../../src/errors.ts";
import { Events } from "../../../src/events.ts";
import { resilient } from "../../../src/resilience/resilient-store.ts";
import type { SessionChange } from "../../../src/store.ts";
import { failureOf, isRefusal, isServerAnswer } from "../../../src/stores/postgres/errors.ts";
import { type PostgresOptions, postgres, schema } from "../../../src/stores/postgres/index.ts";
import { newKey, session, text } from "../../fixtures/sql/kit.ts";
import { type PostgresServer, startPostgres } from "../../servers/postgres.ts";
import { freePort, tempDir, waitFor } from "../../servers/process.ts";
import { startTcpFaultProxy } from "../../servers/tcp-fault-proxy.ts";

const folder = tempDir("postgres-access");
chmodSync(folder, 0o755);
const access = join(folder, "pg_hba.conf");
writeFileSync(access, "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n");

const server = await startPostgres({ hba_file: access });
const { url } = server;
const admin = new pg.Pool({ connectionString: url }).on("error", () => {});
await admin.query("CREATE ROLE shop LOGIN PASSWORD 'right'; REVOKE CREATE ON SCHEMA public FROM PUBLIC");
const closedPort = await freePort();
const shopUrl = url.replace("postgres@", "shop:right@");
after(async () => {
  await admin.end();
  await server.stop();
});

/** Makes a server refuse all writes of its clients, or take them again. */
async function setReadOnly({ url }: PostgresServer, isReadOnly: boolean): Promise<void> {
  const client = new pg.Client({ connectionString: url, options: "-c default_transaction_read_only=off" });
  await client.connect();
  await client.query(`ALTER SYSTEM SET default_transaction_read_only = ${isReadOnly ? "on" : "off"}`);
  await client.query("SELECT pg_reload_conf()");
  await client.end();
  await waitFor("the new setting", async () => {
    const { rows } = await admin.query("SHOW default_transaction_read_only");
    return rows[0].default_transaction_read_only === (isReadOnly ? "on" : "off");
  });
}

describe("a server that refuses writes", () => {
  test("answers reads over the same connections, and no refused write counts as applied", async () => {
    let connections = 0;
    const pool = new pg.Pool({ connectionString: url, max: 3 });
    pool.on("connect", () => connections++);
    const store = postgres({ pool, table: "read_only", createTable: true });
    const keys = Array.from({ length: 20 }, newKey);
    const versions = await Promise.all(keys.map((key) => store.create(key, session())));
    await Promise.all(Array.from({ length: 3 }, () => pool.query("SELECT pg_sleep(0.1)"))); // opens all connections
    await setReadOnly(server, true);
    try {
      const before = connections;
      for (let round = 0; round < 5; round++) {
        const writes = Promise.allSettled<unknown>([
          ...keys.flatMap((key, index) => [
            store.create(newKey(), session()),
            store.update(key, session(), versions[index]!),
            store.touch(key, Date.now() + 60_000),
            store.delete(key),
          ]),
          store.claimExpired!(Date.now(), 10),
        ]);
        const reads = await Promise.all(keys.map((key) => store.read(key)));
        assert.ok(reads.every((found) => found !== undefined));
        for (const result of await writes) {
          assert.equal(result.status, "rejected");
          const { reason } = result as PromiseRejectedResult;
          assert.ok(reason instanceof StoreError && /read-only transaction/.test(reason.message), reason);
          assert.deepEqual([reason.applied, reason.refusesWrites], [false, true]);
        }
      }
      assert.equal(connections, before);
    } finally {
      await setReadOnly(server, false);
    }
    for (const key of keys) assert.equal(await store.delete(key), true);
    await store.close();
    await pool.end();
  });

  test("is left for the new primary after a failover, by writes, reads and the listener", async () => {
    const other = await startPostgres();
    const proxy = await startTcpFaultProxy(server.port);
    const atBoth = [server, other].map(({ url }) => postgres({ url, createTable: true, notify: true }));
    const key = newKey();
    await Promise.all(atBoth.map((store) => store.read(key)));
    const version = await atBoth[0]!.create(key, session());
    const inner = postgres({ url: url.replace(`:${server.port}/`, `:${proxy.port}/`), notify: true });
    const store = resilient(inner, { timeout: 5_000, uniqueValues: true }, new Events());
    const changes: SessionChange[] = [];
    const stop = await store.watch!((change) => changes.push(change));
    // Opens several connections.
    await Promise.all(Array.from({ length: 5 }, () => inner.touch(newKey(), 1)));
    await setReadOnly(server, true);
    try {
      await assert.rejects(store.update(key, session(), version), { applied: false, refusesWrites: true });
      proxy.target = other.port;
      const value = Buffer.from("after the failover");
      const later = newKey();
      await waitFor("a write", async () => (await store.create(later, session({ value }))) !== "exists", 10_000);
      // No connection leads to the former primary any more: it does not have this session.
      const reads = await Promise.all(Array.from({ length: 200 }, () => inner.read(later)));
      assert.ok(reads.every((found) => text(found?.value) === "after the failover"));
      assert.equal(await store.read(key), undefined);
      await waitFor("the report of a write", async () => {
        await atBoth[1]!.touch(later, Date.now() + 60_000);
        const found = (await atBoth[1]!.read(later))!;
        await atBoth[1]!.update(later, session(), found.version);
        return changes.some((change) => change.key === later);
      });
    } finally {
      await setReadOnly(server, false);
      await stop();
      await Promise.all([store, ...atBoth].map((one) => one.close()));
      await proxy.close();
      await other.stop();
    }
  });

  test("for an account without rights does not close its connections either", async () => {
    await admin.query(`${schema({ table: "looked_at" })}; GRANT SELECT ON looked_at TO shop`);
    let connections = 0;
    const pool = new pg.Pool({ connectionString: shopUrl });
    pool.on("connect", () => connections++);
    const store = postgres({ pool, table: "looked_at" });
    for (let round = 0; round < 5; round++) {
      await assert.rejects(store.create(newKey(), session()), (error: StoreError) => {
        assert.match(error.message, /permission denied for table looked_at/);
        assert.deepEqual([error.applied, error.refusesWrites], [false, true]);
        return true;
      });
      assert.equal(await store.read("k"), undefined);
    }
    assert.equal(connections, 1);
    await store.close();
    await pool.end();
  });
});

describe("the first error says what is wrong", () => {
  const causes = {
    "a wrong password": [shopUrl.replace("right", "wrong"), /password authentication failed for user "shop"/],
    "a missing database": [url.replace(/[/]postgres$/, "/nowhere"), /database "nowhere" does not exist/],
    "a missing table": [url, /there is no table coatcheck_nowhere\. Pass createTable: true/],
    "no server": [`postgres://localhost:${closedPort}/x`, /ECONNREFUSED/],
    "no such host": ["postgres://shop.invalid/x", /shop\.invalid/],
  } as const;
  for (const [name, [url, reason]] of Object.entries(causes)) {
    test(name, async () => {
      const store = postgres({ url, table: "coatcheck_nowhere" });
      const calls = [() => store.read("k"), () => store.create(newKey(), session()), () => store.touch("k", 1)];
      for (const call of calls) {
        await assert.rejects(call, (error: StoreError) => {
          assert.ok(error instanceof StoreError);
          assert.match(error.message, reason);
          assert.equal(error.applied, false);
          return true;
        });
      }
      await store.close();
    });
  }

  test("a missing right to create the table", async () => {
    const store = postgres({ url: shopUrl, table: "coatcheck_nowhere", createTable: true });
    await assert.rejects(store.read("k"), /failed to create its table: permission denied for schema public/);
    await store.close();
  });
});

describe("a first use that fails", () => {
  const isGone = async (name: string) =>
    (await admin.query("SELECT 1 FROM pg_stat_activity WHERE application_name = $1", [name])).rows.length === 0;

  test("leaves no connection behind", async () => {
    const connection = { application_name: "leaky", idleTimeoutMillis: 0 };
    const store = postgres({ url: shopUrl, table: "coatcheck_nowhere", createTable: true, connection });
    for (let round = 0; round < 5; round++) await assert.rejects(store.read("k"), StoreError);
    await waitFor("the connections' end", () => isGone("leaky"));
    await store.close();
  });

  test("leaves no listener on a given pool, and works when the cause is gone", async () => {
    const pool = new pg.Pool({ connectionString: shopUrl });
    const store = postgres({ pool, table: "coatcheck_later", createTable: true });
    for (let round = 0; round < 5; round++) await assert.rejects(store.read("k"), StoreError);
    assert.equal(pool.listenerCount("error"), 0);
    await admin.query(`${schema({ table: "coatcheck_later" })}; GRANT ALL ON coatcheck_later TO shop`);
    assert.equal(await store.read("k"), undefined);
    await store.close();
    assert.equal(pool.listenerCount("error"), 0);
    await pool.end();
  });

  test("of watch() leaves no connection behind, also if others watch concurrently", async () => {
    const proxy = await startTcpFaultProxy(server.port);
    const connection = { application_name: "watching" };
    const store = postgres({ url: url.replace(`:${server.port}/`, `:${proxy.port}/`), notify: true, connection });
    proxy.fault = () => "cut";
    const attempts = Array.from({ length: 5 }, () => store.watch!(() => {}));
    for (const { status } of await Promise.allSettled(attempts)) assert.equal(status, "rejected");
    proxy.fault = undefined;
    const stops = await Promise.all(Array.from({ length: 5 }, () => store.watch!(() => {})));
    const { rows } = await admin.query("SELECT 1 FROM pg_stat_activity WHERE application_name = 'watching'");
    assert.equal(rows.length, 1);
    await Promise.all(stops.map((stop) => stop()));
    await waitFor("the connection's end", () => isGone("watching"));
    await store.close();
    await assert.rejects(store.watch!(() => {}), /closed/); // biome-ignore format: one line
    await proxy.close();
  });
});

describe("no error shows a password", () => {
  const urls = [
    "postgres://user:sekret@127.0.0.1:notaport/x",
    "postgres://user:sek%ret@127.0.0.1/x",
    "postgres://user:sekret@[::1/x",
    "user:sekret@127.0.0.1/x",
    shopUrl.replace("right", "sekret"),
  ];
  for (const [index, url] of urls.entries()) {
    test(`address ${index + 1}`, async () => {
      assert.doesNotMatch(await firstError({ url }), /sek/);
    });
  }

  test("in the host", async () => {
    assert.doesNotMatch(await firstError({ connection: { host: "user:sekret@127.0.0.1" } }), /sek/);
  });

  /** All that can be seen of the error that the store or its first call throws. */
  async function firstError(options: PostgresOptions): Promise<string> {
    let error: unknown;
    try {
      const store = postgres({ ...options, timeout: "1s" });
      error = await store.read("k").then(String, (error) => error);
      await store.close();
    } catch (thrown) {
      error = thrown;
    }
    assert.ok(error instanceof CoatcheckError);
    return inspect(error, { depth: 9, showHidden: true });
  }
});

test("what an error means does not depend on the language of the server", () => {
  const [fatal, refusal] = [
    { severity: "ВАЖНО", code: "57P01" },
    { severity: "FEHLER", code: "23502" },
  ];
  assert.equal(isServerAnswer(refusal), true);
  assert.equal(isServerAnswer(fatal), false);
  assert.equal(isServerAnswer({ severity: "FATAL", code: "53300" }), false);
  assert.equal(isServerAnswer(new Error("Query read timeout")), false);
  assert.equal(isRefusal(new StoreError("refused", refusal)), true);
  assert.deepEqual(failureOf(fatal, "create"), {});
  assert.deepEqual(failureOf(refusal, "create"), { applied: false });
});
