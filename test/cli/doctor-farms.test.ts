// Faults of farms that doctor finds: Cluster, Sentinel, poolers, Azure, bloat, and servers with different settings.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, test } from "node:test";
import { TableClient } from "@azure/data-tables";
import mysql from "mysql2/promise";
import pg from "pg";
import type { Finding } from "../../src/cli/doctor/finding.ts";
import { azureTable } from "../../src/stores/azure-table/index.ts";
import { schema as mysqlSchema } from "../../src/stores/mysql/index.ts";
import { schema as postgresSchema } from "../../src/stores/postgres/index.ts";
import { type AzuriteServer, startAzurite } from "../servers/azurite.ts";
import { startCosmos } from "../servers/cosmos.ts";
import { type MariadbServer, startMariadb } from "../servers/mariadb.ts";
import { startPgbouncer } from "../servers/pgbouncer.ts";
import { type PostgresServer, startPostgres } from "../servers/postgres.ts";
import { tempDir, waitFor } from "../servers/process.ts";
import { startRedis, startRedisCluster, startSentinel } from "../servers/redis.ts";
import { coatcheckHere, SECRET } from "./cli.ts";

const cwd = tempDir("doctor-farms");

/** What doctor finds with a session.json of this content that is not well, and its exit code. */
async function examine(json: object, ...args: string[]): Promise<Finding[]> {
  const file = join(cwd, "session.json");
  writeFileSync(file, JSON.stringify({ secret: SECRET, ...json }));
  const { stdout, stderr, code } = await coatcheckHere(["doctor", "--json", "--config", file, ...args]);
  assert.notEqual(stdout, "", stderr);
  // How long a read takes says what else this machine does.
  const faults = (JSON.parse(stdout) as Finding[]).filter(
    ({ severity, check }) => severity !== "ok" && check !== "latency",
  );
  for (const { what, why, fix } of faults) assert.ok(what && why && fix);
  assert.equal(code, faults.some(({ severity }) => severity === "error") ? 1 : 0);
  return faults;
}

const checks = (faults: Finding[]) => faults.map(({ check, severity }) => `${severity} ${check}`).sort();

describe("a Redis Cluster", () => {
  const WELL = ["maxmemory 64mb", "appendonly yes"];

  test("without replicas, with a server down, and with slots that nobody serves", async () => {
    const cluster = await startRedisCluster(3, WELL);
    try {
      const options = { cluster: { nodes: cluster.urls } };
      assert.deepEqual(checks(await examine({ mode: "redis", options })), ["warning redis-cluster-replicas"]);
      const unknown = { servers: cluster.urls.map((url) => url.replace("redis://", "")) };
      assert.deepEqual(checks(await examine({ mode: "redis", options: unknown })), ["warning redis-cluster-replicas"]);

      await cluster.nodes[1]!.cli("config", "set", "maxmemory-policy", "allkeys-lru");
      const named = (await examine({ mode: "redis", options })).find(({ check }) => check === "redis-eviction");
      assert.match(named!.what, new RegExp(`^127\\.0\\.0\\.1:${cluster.nodes[1]!.port}: maxmemory-policy`));

      await cluster.nodes[2]!.stop();
      await waitFor("the Cluster to see it", async () =>
        /fail(,|\s)/.test((await cluster.nodes[0]!.cli("cluster", "nodes")).replaceAll("fail?", "")),
      );
      const down = checks(await examine({ mode: "redis", options }));
      for (const expected of ["error redis-cluster-slots", "warning redis-cluster-node"]) {
        assert.ok(down.includes(expected), down.join());
      }
    } finally {
      await cluster.stop();
    }
  });

  test("that is well", async () => {
    const cluster = await startRedisCluster(1, WELL);
    const [primary] = cluster.nodes;
    const replica = await startRedis({ config: [...WELL, "cluster-enabled yes", "cluster-node-timeout 2000"] });
    try {
      const id = await primary!.cli("cluster", "myid");
      const bus = /@(\d+)/.exec(await primary!.cli("cluster", "nodes"))![1]!;
      await replica.cli("cluster", "meet", "127.0.0.1", String(primary!.port), bus);
      await waitFor("the replica", async () => (await replica.cli("cluster", "replicate", id)) === "OK");
      await waitFor("the primary to know it", async () => (await primary!.cli("cluster", "replicas", id)) !== "");
      assert.deepEqual(await examine({ mode: "redis", options: { cluster: { nodes: cluster.urls } } }), []);
    } finally {
      await Promise.all([replica.stop(), cluster.stop()]);
    }
  });
});

test("Sentinel: well, with one sentinel down, without a quorum, and without a replica", async () => {
  const sentinel = await startSentinel();
  try {
    for (const node of sentinel.nodes) {
      await node.cli("config", "set", "maxmemory", "64mb");
      await node.cli("config", "set", "appendonly", "yes");
    }
    const { name, sentinels } = sentinel;
    const options = (nodes: string[]) => ({ mode: "redis", options: { sentinel: { name, nodes } } });
    await waitFor("the append-only file", async () => (await examine(options(sentinels))).length === 0);
    assert.deepEqual(checks(await examine(options([...sentinels, "127.0.0.1:1"]))), ["warning redis-sentinel-node"]);

    await sentinel.nodes[1]!.stop();
    const [one] = sentinels.map((address) => address.split(":"));
    const client = await import("redis").then(({ createClient }) =>
      createClient({ socket: { host: one![0]!, port: Number(one![1]) } }).connect(),
    );
    // Forgets the replica, and asks for more agreement than there are sentinels.
    await client.sendCommand(["SENTINEL", "RESET", name]);
    await client.sendCommand(["SENTINEL", "SET", name, "quorum", "9"]);
    client.destroy();
    const faults = checks(await examine(options(sentinels.slice(0, 1))));
    assert.ok(faults.includes("error redis-sentinel-quorum"), faults.join());
    assert.ok(faults.includes("warning redis-sentinel-replicas"), faults.join());
  } finally {
    await sentinel.stop();
  }
});

describe("PostgreSQL behind a pooler", () => {
  let server: PostgresServer;
  before(async () => {
    server = await startPostgres();
    const client = new pg.Client({ connectionString: server.url });
    await client.connect();
    await client.query(postgresSchema({}));
    await client.end();
  });
  after(() => server.stop());

  test("by transactions: prepared statements and notifications are errors, and nothing without them", async () => {
    const pooler = await startPgbouncer(server);
    try {
      const options = (more: object) => ({ mode: "postgres", options: { url: pooler.url, ...more } });
      assert.ok(checks(await examine(options({}))).includes("error postgres-pooler"));
      assert.deepEqual(await examine(options({ prepare: false })), []);
      assert.ok(
        checks(await examine(options({ prepare: false, notify: true }))).includes("error postgres-pooler-notify"),
      );
    } finally {
      await pooler.stop();
    }
  });

  test("by sessions is well", async () => {
    const pooler = await startPgbouncer(server, "session");
    try {
      assert.deepEqual(await examine({ mode: "postgres", options: { url: pooler.url } }), []);
    } finally {
      await pooler.stop();
    }
  });
});

describe("Azure Table storage", () => {
  let server: AzuriteServer;
  before(async () => {
    server = await startAzurite();
  });
  after(() => server.stop());
  const options = (more: object = {}) => ({
    mode: "azure-table",
    options: { connectionString: server.connectionString, ...more },
  });

  test("that is well", async () => {
    assert.deepEqual(await examine(options()), []);
  });

  test("whose expired sessions nobody removes", async () => {
    const table = "unswept";
    const store = azureTable({ connectionString: server.connectionString, table });
    await store.create("A".repeat(24), { value: Buffer.from("x"), expiresAt: Date.now() + 60_000 });
    await store.close();
    const client = TableClient.fromConnectionString(server.connectionString, table, { allowInsecureConnection: true });
    for (let part = 0; part < 11; part++) {
      await client.submitTransaction(
        Array.from({ length: 100 }, (_, i) => [
          "create",
          { partitionKey: "s0", rowKey: `${part}-${i}`, expiresAt: { type: "Int64", value: "1000" } },
        ]),
      );
    }
    assert.ok(checks(await examine(options({ table }))).includes("warning azure-table-unswept"));
  });

  test("with a signature that ends soon, and lacks a right", async () => {
    // What a signature says can be read without the key. The emulator refuses it; the connection string has the key, too.
    const soon = new Date(Date.now() + 86_400_000).toISOString();
    const signature = `sv=2024-01-01&sp=rau&se=${encodeURIComponent(soon)}&sig=x`;
    const { checkAzureTable } = await import("../../src/cli/doctor/check-azure.ts");
    const faults = await checkAzureTable({
      connectionString: `${server.connectionString}SharedAccessSignature=${signature};`,
    });
    assert.deepEqual(checks(faults), ["error azure-table-rights", "warning azure-table-signature"]);
  });

  test("that is away", async () => {
    const connectionString = server.connectionString.replace(String(server.port), "1");
    assert.deepEqual(checks(await examine({ mode: "azure-table", options: { connectionString } })), ["error reach"]);
  });
});

test("Cosmos DB: well, with weak consistency, and with a container of another key", async () => {
  const server = await startCosmos();
  try {
    const options = { endpoint: server.endpoint, key: server.key, endpointDiscovery: false };
    assert.deepEqual(await examine({ mode: "cosmos", options }), []);
    const weak = await examine({ mode: "cosmos", options: { ...options, consistencyLevel: "Eventual" } });
    assert.deepEqual(checks(weak), ["warning cosmos-consistency"]);
    const { CosmosClient } = await import("@azure/cosmos");
    const client = new CosmosClient({ ...options, connectionPolicy: { enableEndpointDiscovery: false } });
    await client.database("coatcheck").containers.create({ id: "other", partitionKey: { paths: ["/user"] } });
    client.dispose();
    const other = await examine({ mode: "cosmos", options: { ...options, container: "other" } });
    assert.deepEqual(checks(other), ["error reach"]);
    assert.match(other[0]!.what, /partition key/);
  } finally {
    await server.close();
  }
});

test("SQL Server: a connection without TLS, or to whoever answers", async () => {
  // No server is asked: these are the options alone.
  const { checkMssql } = await import("../../src/cli/doctor/check-azure.ts");
  const found = (more: string) =>
    checks(checkMssql({ connectionString: `Server=tcp:db.example.com,1433;Database=a;User Id=u;Password=p${more}` }));
  assert.deepEqual(found(""), []);
  assert.deepEqual(found(";Encrypt=False"), ["error mssql-tls"]);
  assert.deepEqual(found(";TrustServerCertificate=True"), ["warning mssql-certificate"]);
  assert.deepEqual(checkMssql({ connectionString: "Server=localhost;Encrypt=false" }), []);
});

describe("servers with different settings", () => {
  const well = { mode: "file", options: { path: join(cwd, "farm") } };
  const other = "an0lderOne_7fK2mQ9xV4bN8cZ1pLs8Wq";
  const cases: [name: string, json: object, expected: string][] = [
    ["another cookie", { cookieName: "shop" }, "error servers"],
    ["another timeout", { timeout: 30 }, "warning servers"],
    ["another mode", { requestMode: "exclusive" }, "warning servers"],
    ["another application", { application: "shop" }, "error servers"],
    ["another secret", { secret: other }, "error servers"],
    ["a rotation that is not finished", { secret: [other, SECRET] }, "warning servers"],
  ];
  for (const [name, json, expected] of cases) {
    test(name, async () => {
      assert.deepEqual(await examine(well, "--server", "a"), []);
      const faults = await examine({ ...well, ...json }, "--server", "b");
      assert.deepEqual(checks(faults), [expected], JSON.stringify(faults, null, 1));
      assert.match(faults[0]!.what, /the server a$|on the server a$|of the server a are/);
      // When it has been put right, its note is, too.
      assert.deepEqual(await examine(well, "--server", "b"), []);
    });
  }

  test("the same settings in another form are the same, and the note is no session", async () => {
    assert.deepEqual(await examine({ ...well, timeout: 20 }, "--server", "b"), []);
    assert.deepEqual(await examine({ ...well, idleTimeout: undefined }, "--server", "a"), []);
    const { stdout } = await coatcheckHere(["stats", "--json", "--store", `file:${join(cwd, "farm")}`]);
    assert.equal(JSON.parse(stdout).sessions, 0);
  });

  test("a note that is older than a month, or that nobody can read, counts no longer", async () => {
    const path = join(cwd, "old-notes");
    const { file } = await import("../../src/stores/file/index.ts");
    const store = file({ path });
    const settings = { mode: "file", options: { path } };
    try {
      for (const [age, expected] of [
        [29, ["error servers"]],
        [31, []],
      ] as const) {
        await store.delete("doctor-servers");
        const at = Date.now() - age * 86_400_000;
        const value = Buffer.from(JSON.stringify({ old: { at, settings: { application: "other" }, secrets: [] } }));
        await store.create("doctor-servers", { value, expiresAt: Date.now() + 86_400_000 });
        const faults = await examine(settings, "--server", "a");
        const named = checks(faults.filter(({ what }) => what.startsWith("application")));
        assert.deepEqual(named, expected, `${age} days: ${JSON.stringify(faults, null, 1)}`);
      }
      await store.delete("doctor-servers");
      await store.create("doctor-servers", { value: Buffer.from("no JSON"), expiresAt: Date.now() + 86_400_000 });
      assert.deepEqual(await examine(settings, "--server", "a"), []);
    } finally {
      await store.close();
    }
  });

  test("another option of the store", async () => {
    const server = await startRedis({ config: ["maxmemory 64mb", "appendonly yes"] });
    try {
      const options = (more: object) => ({ mode: "redis", options: { url: server.url, ...more } });
      assert.deepEqual(await examine(options({}), "--server", "a"), []);
      assert.deepEqual(await examine(options({ notify: true }), "--server", "b"), []);
      const faults = await examine(options({ notify: false }), "--server", "b");
      assert.deepEqual(checks(faults), ["warning servers"]);
      assert.match(faults[0]!.what, /"notify":false.*"notify":true.*server a/);
    } finally {
      await server.stop();
    }
  });

  test("many servers that run doctor at the same moment all leave their note", async () => {
    const path = join(cwd, "crowd");
    const { checkServers } = await import("../../src/cli/doctor/check-servers.ts");
    const { file } = await import("../../src/stores/file/index.ts");
    const store = file({ path });
    try {
      const target = {
        name: path,
        store,
        options: { store, secret: SECRET },
        hasSecret: true,
        sessions: undefined as never,
      };
      await Promise.all(Array.from({ length: 8 }, (_, i) => checkServers(target, `server${i}`)));
      const [finding] = await checkServers(target, "last");
      assert.match(finding!.what, /8 other servers have the same/);
    } finally {
      await store.close();
    }
  });
});

describe("bloat", () => {
  test("of SQLite's file", async () => {
    const path = join(cwd, "bloated.sqlite");
    const options = { path };
    assert.deepEqual(await examine({ mode: "sqlite", options }), []);
    const database = new DatabaseSync(path);
    database.exec("CREATE TABLE filler (bytes BLOB)");
    for (let i = 0; i < 14; i++) database.exec("INSERT INTO filler VALUES (randomblob(1000000))");
    database.exec("DROP TABLE filler");
    database.close();
    assert.deepEqual(checks(await examine({ mode: "sqlite", options })), ["warning file-bloat"]);
  });

  describe("of MariaDB's table", () => {
    let server: MariadbServer;
    before(async () => {
      server = await startMariadb();
    });
    after(() => server.stop());

    test("whose rows were deleted", async () => {
      const connection = await mysql.createConnection(server.url);
      try {
        await connection.query(mysqlSchema({ table: "bloated" }));
        await connection.query(
          "INSERT INTO bloated SELECT seq, 1, 99999999999999, NULL, REPEAT('x', 4000) FROM seq_1_to_12000",
        );
        await connection.query("DELETE FROM bloated");
        const options = { url: server.url, table: "bloated" };
        // The room is free when the server has purged the rows.
        let faults: string[] = [];
        await waitFor("the purge", async () => {
          await connection.query("ANALYZE TABLE bloated");
          faults = checks(await examine({ mode: "mysql", options }));
          return faults.length > 0;
        });
        assert.deepEqual(faults, ["warning mysql-bloat"]);
      } finally {
        await connection.end();
      }
    });
  });
});
