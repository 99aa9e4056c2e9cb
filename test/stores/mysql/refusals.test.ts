// The MySQL store, whose server refuses: writes, accounts, databases, sizes. Each error says why, and what was not applied.

import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { inspect } from "node:util";
import { createPool } from "mysql2/promise";
import { CoatcheckError, StoreError } from "../../../src/errors.ts";
import { Events } from "../../../src/events.ts";
import { resilient } from "../../../src/resilience/resilient-store.ts";
import { failureOf, isServerAnswer } from "../../../src/stores/mysql/errors.ts";
import { type MysqlOptions, mysql, schema } from "../../../src/stores/mysql/index.ts";
import { newKey, session, text } from "../../fixtures/sql/kit.ts";
import { type MariadbServer, startMariadb } from "../../servers/mariadb.ts";
import { freePort, waitFor } from "../../servers/process.ts";
import { startTcpFaultProxy } from "../../servers/tcp-fault-proxy.ts";

const server = await startMariadb();
const { url } = server;
const closedPort = await freePort();
const shopUrl = url.replace("root@", "shop:right@");
const admin = createPool({ uri: url, multipleStatements: true });
await prepare(server);
after(async () => {
  await admin.end();
  await server.stop();
});

/** Adds an account that a read-only server refuses, as it does not refuse root. */
async function prepare({ url }: MariadbServer): Promise<void> {
  const pool = createPool({ uri: url, multipleStatements: true });
  await pool.query("CREATE USER shop IDENTIFIED BY 'right'; GRANT ALL ON test.* TO shop");
  await pool.query(schema());
  await pool.end();
}

/** The number of connections that the server has made. */
async function connectionsMade(): Promise<number> {
  const [rows] = await admin.query("SHOW GLOBAL STATUS LIKE 'Connections'");
  return Number((rows as { Value: string }[])[0]!.Value);
}

describe("a server that refuses writes", () => {
  test("answers reads over the same connections, and no refused write counts as applied", async () => {
    const store = mysql({ url: shopUrl, connection: { connectionLimit: 3 } });
    const keys = Array.from({ length: 20 }, newKey);
    const versions = await Promise.all(keys.map((key) => store.create(key, session())));
    await Promise.all(keys.map((key) => store.touch(key, Date.now() + 60_000)));
    await admin.query("SET GLOBAL read_only = 1");
    try {
      const before = await connectionsMade();
      const began = Date.now();
      for (let round = 0; round < 5; round++) {
        const writes = Promise.allSettled<unknown>([
          ...keys.flatMap((key, index) => [
            store.create(newKey(), session()),
            store.update(key, session(), versions[index]!),
            store.touch(key, Date.now() + 60_000),
            store.delete(key),
          ]),
        ]);
        const reads = await Promise.all(keys.map((key) => store.read(key)));
        assert.ok(reads.every((found) => found !== undefined));
        for (const result of await writes) {
          assert.equal(result.status, "rejected");
          const { reason } = result as PromiseRejectedResult;
          assert.ok(reason instanceof StoreError && /--read-only option/.test(reason.message), reason);
          assert.deepEqual([reason.applied, reason.refusesWrites], [false, true]);
        }
      }
      // One new connection in a second asks whether there is another server that takes writes.
      const probes = 1 + Math.ceil((Date.now() - began) / 1_000);
      const made = (await connectionsMade()) - before;
      assert.ok(made <= probes, `${made} connections, at most ${probes} of them to ask`);
    } finally {
      await admin.query("SET GLOBAL read_only = 0");
    }
    for (const key of keys) assert.equal(await store.delete(key), true);
    await store.close();
  });

  for (const kind of ["own", "given"] as const) {
    test(`is left for the new primary after a failover, by writes and reads (${kind} pool)`, async () => {
      const other = await startMariadb();
      await prepare(other);
      const proxy = await startTcpFaultProxy(server.port);
      const proxyUrl = shopUrl.replace(`:${server.port}/`, `:${proxy.port}/`);
      const pool = kind === "given" ? createPool({ uri: proxyUrl }) : undefined;
      const inner = mysql(pool ? { pool } : { url: proxyUrl });
      const store = resilient(inner, { timeout: 5_000, uniqueValues: true }, new Events());
      const key = newKey();
      const version = (await store.create(key, session())) as number;
      await Promise.all(Array.from({ length: 5 }, () => inner.touch(newKey(), 1)));
      await admin.query("SET GLOBAL read_only = 1");
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
      } finally {
        await admin.query("SET GLOBAL read_only = 0");
        await store.close();
        await pool?.end();
        await proxy.close();
        await other.stop();
      }
    });
  }
});

describe("the first error says what is wrong", () => {
  const causes = {
    "a wrong password": [shopUrl.replace("right", "wrong"), /Access denied for user 'shop'@.* \(using password: YES\)/],
    "a missing database": [url.replace("/test", "/nowhere"), /Unknown database 'nowhere'/],
    "a missing table": [url, /there is no table coatcheck_nowhere\. Pass createTable: true/],
    "no server": [`mysql://localhost:${closedPort}/x`, /ECONNREFUSED/],
    "no such host": ["mysql://shop.invalid/x", /shop\.invalid/],
  } as const;
  for (const [name, [url, reason]] of Object.entries(causes)) {
    test(name, async () => {
      const store = mysql({ url, table: "coatcheck_nowhere" });
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
    await admin.query("CREATE USER reader; GRANT SELECT ON test.* TO reader");
    const store = mysql({ url: url.replace("root@", "reader@"), table: "coatcheck_nowhere", createTable: true });
    await assert.rejects(store.read("k"), /failed to create its table: CREATE command denied to user 'reader'/);
    await store.close();
  });

  test("a missing right to write", async () => {
    const store = mysql({ url: url.replace("root@", "reader@") });
    await assert.rejects(store.touch("k", 1), { applied: false, refusesWrites: true });
    assert.equal(await store.read("k"), undefined);
    await store.close();
  });
});

describe("a first use that fails", () => {
  const reader = url.replace("root@", "leaky@");
  const openConnections = async () => {
    const [rows] = await admin.query("SELECT 1 FROM information_schema.processlist WHERE user = 'leaky'");
    return (rows as unknown[]).length;
  };

  test("leaves no connection behind, and works when the cause is gone", async () => {
    await admin.query("CREATE USER leaky; GRANT SELECT ON test.* TO leaky");
    const store = mysql({ url: reader, table: "coatcheck_later", createTable: true });
    for (let round = 0; round < 5; round++) await assert.rejects(store.read("k"), StoreError);
    await waitFor("the connections' end", async () => (await openConnections()) === 0);
    await admin.query(schema({ table: "coatcheck_later" }));
    assert.equal(await store.read("k"), undefined);
    await store.close();
    await waitFor("the connections' end", async () => (await openConnections()) === 0);
  });

  test("leaves a given pool's connections as they are", async () => {
    const pool = createPool({ uri: reader, connectionLimit: 2 });
    const store = mysql({ pool, table: "coatcheck_never", createTable: true });
    for (let round = 0; round < 5; round++) await assert.rejects(store.read("k"), StoreError);
    assert.equal(await openConnections(), 1);
    await store.close();
    await pool.query("SELECT 1");
    await pool.end();
  });

  test("on a silent server ends in time, and the store works when the server is back", async () => {
    const proxy = await startTcpFaultProxy(server.port);
    const store = mysql({ url: url.replace(`:${server.port}/`, `:${proxy.port}/`), timeout: "300ms" });
    proxy.lag = 60_000;
    await assert.rejects(store.create("k", session()), { name: "StoreError", applied: false });
    proxy.lag = 0;
    await waitFor("the store", async () => (await store.read("k")) === undefined);
    await store.close();
    await proxy.close();
  });
});

describe("a server that takes only small statements", () => {
  const MAX_PACKET = 128 * 1024;

  test("gets sessions that fit alone in as many statements as it needs", async () => {
    const [[row]] = (await admin.query("SELECT @@max_allowed_packet AS bytes")) as unknown as [{ bytes: number }[]];
    await admin.query("SET GLOBAL max_allowed_packet = ?", [MAX_PACKET]);
    const store = mysql({ url });
    try {
      const value = (index: number) => Buffer.alloc(16_000, index);
      const keys = Array.from({ length: 100 }, newKey);
      await store.read("k");
      const versions = await Promise.all(keys.map((key, index) => store.create(key, session({ value: value(index) }))));
      const updates = keys.map((key, index) =>
        store.update(key, session({ value: value(index + 1) }), versions[index]!),
      );
      assert.ok((await Promise.all(updates)).every((version) => typeof version === "number"));
      for (const [index, key] of keys.entries()) {
        assert.equal(Buffer.compare((await store.read(key))!.value, value(index + 1)), 0);
      }
      assert.ok((await Promise.all(keys.map((key) => store.delete(key)))).every((isDeleted) => isDeleted));
    } finally {
      await store.close();
      await admin.query("SET GLOBAL max_allowed_packet = ?", [row!.bytes]);
    }
  });

  test("gets small sessions beside large ones, however a batch is padded", async () => {
    const [[row]] = (await admin.query("SELECT @@max_allowed_packet AS bytes")) as unknown as [{ bytes: number }[]];
    await admin.query("SET GLOBAL max_allowed_packet = ?", [MAX_PACKET]);
    const store = mysql({ url });
    try {
      await store.read("k");
      for (const count of [9, 17, 33, 49]) {
        const keys = Array.from({ length: count }, newKey);
        const versions = await Promise.all(keys.map((key) => store.create(key, session())));
        const large = (index: number) => Buffer.alloc(index >= count - 3 ? 16_000 : 10, index);
        const updates = keys.map((key, index) => store.update(key, session({ value: large(index) }), versions[index]!));
        assert.ok((await Promise.all(updates)).every((version) => typeof version === "number"));
      }
    } finally {
      await store.close();
      await admin.query("SET GLOBAL max_allowed_packet = ?", [row!.bytes]);
    }
  });

  test("does not get a session that is too large: the error names the limit, and nothing else fails", async () => {
    const [[row]] = (await admin.query("SELECT @@max_allowed_packet AS bytes")) as unknown as [{ bytes: number }[]];
    await admin.query("SET GLOBAL max_allowed_packet = ?", [MAX_PACKET]);
    const store = mysql({ url });
    try {
      const others = Array.from({ length: 20 }, () => store.create(newKey(), session()));
      const large = session({ value: Buffer.alloc(MAX_PACKET) });
      await assert.rejects(store.create(newKey(), large), (error: CoatcheckError) => {
        assert.ok(error instanceof CoatcheckError && !(error instanceof StoreError));
        assert.equal(error.code, "COATCHECK_TOO_LARGE");
        assert.match(error.message, /max_allowed_packet.*131072 bytes/);
        return true;
      });
      const key = newKey();
      const version = (await store.create(key, session())) as number;
      await assert.rejects(store.update(key, large, version), { code: "COATCHECK_TOO_LARGE" });
      await Promise.all(others);
    } finally {
      await store.close();
      await admin.query("SET GLOBAL max_allowed_packet = ?", [row!.bytes]);
    }
  });
});

describe("no error shows a password", () => {
  const urls = [
    "mysql://user:sekret@127.0.0.1:notaport/x",
    "mysql://user:sek%ret@127.0.0.1/x",
    "mysql://user:sekret@[::1/x",
    "user:sekret@127.0.0.1/x",
    "mysql//user:sekret@127.0.0.1/x",
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
  async function firstError(options: MysqlOptions): Promise<string> {
    let error: unknown;
    try {
      const store = mysql({ ...options, timeout: "1s" });
      error = await store.read("k").then(String, (error) => error);
      await store.close();
    } catch (thrown) {
      error = thrown;
    }
    assert.ok(error instanceof CoatcheckError);
    return inspect(error, { depth: 9, showHidden: true });
  }
});

test("a node that a Galera Cluster has cut off costs its connection, and has applied nothing", () => {
  const error = { errno: 1047, sqlState: "08S01" };
  assert.equal(isServerAnswer(error), false);
  assert.deepEqual(failureOf(error, "create"), { applied: false });
});
