// Faults that are planted in real servers and settings: doctor finds each of them, and nothing where all is well.

import assert from "node:assert/strict";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import mysql from "mysql2/promise";
import pg from "pg";
import type { Finding } from "../../src/cli/doctor/finding.ts";
import { schema as mysqlSchema } from "../../src/stores/mysql/index.ts";
import { postgres, schema as postgresSchema } from "../../src/stores/postgres/index.ts";
import { type MariadbServer, startMariadb } from "../servers/mariadb.ts";
import { type PostgresServer, startPostgres } from "../servers/postgres.ts";
import { tempDir, waitFor } from "../servers/process.ts";
import { type RedisServer, startRedis } from "../servers/redis.ts";
import { beginSessions, coatcheckHere, SECRET } from "./cli.ts";

const cwd = tempDir("doctor");
const env: Record<string, string | undefined> = { SESSION_SECRET: SECRET };

/** What doctor finds that is not well, by the names of its checks. `wanted`: the check that the test is about. */
async function examine(args: string[], extra: Record<string, string | undefined> = env, wanted?: string) {
  const { stdout, stderr, code } = await coatcheckHere(["doctor", "--json", ...args], extra);
  assert.notEqual(stdout, "", stderr);
  const findings = JSON.parse(stdout) as Finding[];
  // How long a read takes says what else this machine does.
  const faults = findings.filter(({ severity, check }) => {
    return severity !== "ok" && (check !== "latency" || check === wanted);
  });
  for (const { what, why, fix } of faults)
    assert.ok(what && why && fix, "each fault says what, why and how to mend it");
  assert.equal(code, faults.some(({ severity }) => severity === "error") ? 1 : 0);
  return { faults, named: (check: string) => faults.find((one) => one.check === check) };
}

async function assertFault(
  args: string[],
  check: string,
  severity: "error" | "warning",
  extra: Record<string, string | undefined> = env,
) {
  const { faults, named } = await examine(args, extra, check);
  assert.equal(named(check)?.severity, severity, JSON.stringify(faults, null, 1));
  return faults;
}

async function assertWell(args: string[]) {
  const { faults } = await examine(args);
  assert.deepEqual(faults, []);
}

describe("Redis", () => {
  const WELL = ["maxmemory 64mb", "appendonly yes"];
  const servers: RedisServer[] = [];
  const start = async (options: Parameters<typeof startRedis>[0] = {}) => {
    const server = await startRedis({ ...options, config: [...WELL, ...(options.config ?? [])] });
    servers.push(server);
    return server;
  };
  /** The address for an account that lacks these rights. */
  const startFor = async (...lacking: string[]) => {
    const server = await start();
    await server.cli("ACL", "SETUSER", "shop", "on", ">right", "~coatcheck:*", "&coatcheck:*", "+@all", ...lacking);
    return server.url.replace("://", "://shop:right@");
  };
  after(() => Promise.all(servers.map((server) => server.stop())));

  test("that is well", async () => {
    await assertWell(["--store", (await start()).url]);
  });

  test("that throws sessions away when memory is short", async () => {
    const { url } = await start({ config: ["maxmemory-policy allkeys-lru"] });
    await assertFault(["--store", url], "redis-eviction", "error");
  });

  test("whose memory is nearly full", async () => {
    const server = await start();
    const used = Number(/used_memory:(\d+)/.exec(await server.cli("INFO", "memory"))![1]);
    await server.cli("CONFIG", "SET", "maxmemory", String(Math.ceil(used * 1.15)));
    await assertFault(["--store", server.url], "redis-memory", "error");
  });

  test("without a limit of memory", async () => {
    const { url } = await start({ config: ["maxmemory 0"] });
    await assertFault(["--store", url], "redis-maxmemory", "warning");
  });

  test("that forgets everything when it restarts", async () => {
    const { url } = await start({ config: ["appendonly no"] });
    await assertFault(["--store", url], "redis-persistence", "warning");
  });

  test("that can't write its file", async () => {
    const server = await start({ config: ["appendonly no"] });
    const [, folder] = (await server.cli("CONFIG", "GET", "dir")).split("\n");
    mkdirSync(join(folder!, "dump.rdb"));
    writeFileSync(join(folder!, "dump.rdb", "in-the-way"), "");
    await server.cli("BGSAVE");
    const failed = async () => (await server.cli("INFO", "persistence")).includes("rdb_last_bgsave_status:err");
    await waitFor("the failure of the background save", failed);
    await assertFault(["--store", server.url], "redis-persistence", "error");
  });

  test("that is a replica", async () => {
    const primary = await start();
    const { url } = await start({ config: [`replicaof 127.0.0.1 ${primary.port}`] });
    const faults = await assertFault(["--store", url], "redis-replica", "error");
    assert.ok(faults.some(({ check }) => check === "operation-create"));
  });

  test("in the network, without TLS and without a password", async () => {
    const { port } = await start();
    // The loopback by a name that does not look like it.
    const faults = await assertFault(["--store", `redis://2130706433:${port}`], "redis-password", "error");
    assert.ok(faults.some(({ check }) => check === "redis-tls"));
  });

  test("whose account may not delete", async () => {
    const url = await startFor("-del", "-unlink");
    await assertFault(["--store", url], "operation-delete", "error");
  });

  test("whose account may not ask the time", async () => {
    const url = await startFor("-time");
    const { faults } = await examine(["--store", url]);
    assert.ok(faults.some(({ severity }) => severity === "error"));
  });

  test("whose account may not be told about the server", async () => {
    const url = await startFor("-info");
    await assertFault(["--store", url], "redis-info", "warning");
  });

  test("that is down, or has another password", async () => {
    const { url } = await start({ password: "right" });
    await assertFault(["--store", url.replace("right", "wrong")], "reach", "error");
    await assertFault(["--store", "redis://127.0.0.1:1"], "reach", "error");
  });
});

describe("PostgreSQL", () => {
  let server: PostgresServer;
  let client: pg.Client;
  before(async () => {
    server = await startPostgres();
    client = new pg.Client({ connectionString: server.url });
    await client.connect();
  });
  after(async () => {
    await client.end();
    await server.stop();
  });
  const on = (table: string) => ["--store", server.url, "--table", table];

  test("that is well", async () => {
    await client.query(postgresSchema({ table: "well" }));
    await assertWell(on("well"));
  });

  test("without the table", async () => {
    await assertFault(on("absent"), "reach", "error");
  });

  test("whose table lacks its indexes", async () => {
    await client.query(postgresSchema({ table: "slow" }));
    const { rows } = await client.query(
      "SELECT indexname FROM pg_indexes WHERE tablename = 'slow' AND indexname NOT LIKE '%pkey'",
    );
    for (const { indexname } of rows) await client.query(`DROP INDEX "${indexname}"`);
    const faults = await assertFault(on("slow"), "postgres-index", "warning");
    assert.equal(faults.length, 2);
  });

  test("whose index was not built to its end, as CREATE INDEX CONCURRENTLY leaves it", async () => {
    await client.query(postgresSchema({ table: "broken" }));
    await client.query(
      `UPDATE pg_index SET indisvalid = false WHERE indrelid = 'broken'::regclass AND NOT indisprimary
       AND indkey[0] = (SELECT attnum FROM pg_attribute WHERE attrelid = 'broken'::regclass AND attname = 'expires_at')`,
    );
    const [fault] = await assertFault(on("broken"), "postgres-index", "warning");
    assert.match(fault!.what, /expires_at/);
  });

  test("whose expired sessions nobody removes", async () => {
    await client.query(postgresSchema({ table: "unswept" }));
    await client.query("INSERT INTO unswept SELECT 'k' || i, 1, 1000, NULL, ''::bytea FROM generate_series(1, 2000) i");
    await assertFault(on("unswept"), "postgres-unswept", "warning");
  });

  test("whose table is full of dead rows", async () => {
    await client.query(postgresSchema({ table: "bloated" }));
    await client.query("ALTER TABLE bloated SET (autovacuum_enabled = false)");
    await client.query(
      "INSERT INTO bloated SELECT 'k' || i, 1, 99999999999999, NULL, ''::bytea FROM generate_series(1, 12000) i",
    );
    await client.query("DELETE FROM bloated");
    await client.query("SELECT pg_stat_force_next_flush()");
    await assertFault(on("bloated"), "postgres-bloat", "warning");
  });

  test("that refuses writes", async () => {
    await client.query(postgresSchema({ table: "reading" }));
    await client.query("ALTER ROLE postgres SET default_transaction_read_only = on");
    try {
      const faults = await assertFault(on("reading"), "postgres-read-only", "error");
      assert.ok(faults.some(({ check }) => check === "operation-create"));
    } finally {
      await client.query("ALTER ROLE postgres SET default_transaction_read_only = off");
    }
  });

  test("whose account may not delete", async () => {
    await client.query(postgresSchema({ table: "granted" }));
    await client.query("CREATE ROLE shop LOGIN; GRANT SELECT, INSERT, UPDATE ON granted TO shop");
    const url = server.url.replace("postgres@", "shop@");
    await assertFault(["--store", url, "--table", "granted"], "operation-delete", "error");
  });

  test("in the network, without TLS", async () => {
    await assertFault(
      ["--store", server.url.replace("127.0.0.1", "2130706433"), "--table", "well"],
      "postgres-tls",
      "warning",
    );
  });

  test("with sessions of a server that has another secret", async () => {
    const store = postgres({ url: server.url, table: "other", createTable: true });
    await beginSessions(store, 2, undefined, "an0lderSecret_7fK2mQ9xV4bN8cZ1pL");
    await store.close();
    await assertFault(on("other"), "settings", "error");
  });
});

describe("MariaDB", () => {
  let server: MariadbServer;
  let connection: mysql.Connection;
  before(async () => {
    server = await startMariadb();
    connection = await mysql.createConnection(server.url);
  });
  after(async () => {
    await connection.end();
    await server.stop();
  });
  const on = (table: string) => ["--store", server.url, "--table", table];

  test("that is well", async () => {
    await connection.query(mysqlSchema({ table: "well" }));
    await assertWell(on("well"));
  });

  test("whose table lacks an index", async () => {
    await connection.query(mysqlSchema({ table: "slow" }));
    for (const column of ["owner", "expires_at"]) {
      await connection.query(`DROP INDEX ${column} ON slow`);
      const faults = await assertFault(on("slow"), "mysql-index", "warning");
      // What it says is to be pasted.
      await connection.query(faults.find(({ check }) => check === "mysql-index")!.fix!);
      await assertWell(on("slow"));
      await connection.query(`ALTER TABLE slow RENAME INDEX coatcheck_${column} TO ${column}`);
    }
  });

  test("whose index begins with another column", async () => {
    await connection.query(mysqlSchema({ table: "turned" }));
    await connection.query("ALTER TABLE turned DROP INDEX expires_at, ADD INDEX turned (version, expires_at)");
    const [fault] = await assertFault(on("turned"), "mysql-index", "warning");
    assert.match(fault!.what, /no index that begins with expires_at/);
  });

  test("whose table has an engine that locks all of it", async () => {
    await connection.query(
      mysqlSchema({ table: "locking" }).replace(/ENGINE = InnoDB ROW_FORMAT = DYNAMIC/, "ENGINE = MyISAM"),
    );
    await assertFault(on("locking"), "mysql-engine", "error");
  });

  test("whose expired sessions nobody removes", async () => {
    await connection.query(mysqlSchema({ table: "unswept" }));
    await connection.query("INSERT INTO unswept SELECT seq, 1, 1000, NULL, '' FROM seq_1_to_2000");
    await assertFault(on("unswept"), "mysql-unswept", "warning");
  });

  test("that refuses writes", async () => {
    await connection.query("SET GLOBAL read_only = 1");
    try {
      await assertFault(on("well"), "mysql-read-only", "error");
    } finally {
      await connection.query("SET GLOBAL read_only = 0");
    }
  });

  test("that takes small packets only", async () => {
    await connection.query("SET GLOBAL max_allowed_packet = 1048576");
    try {
      await assertFault(on("well"), "mysql-packet", "warning");
    } finally {
      await connection.query("SET GLOBAL max_allowed_packet = 16777216");
    }
  });
});

describe("settings", () => {
  let slow: Server;
  after(() => slow?.close());

  const settings = async (json: object, more: string[] = []) => {
    const file = join(cwd, "session.json");
    writeFileSync(
      file,
      JSON.stringify({ mode: "file", options: { path: join(cwd, "sessions") }, secret: SECRET, ...json }),
    );
    return ["--config", file, ...more];
  };

  test("that seal by AES are well, and learn which cipher takes less time", async () => {
    const cipherOf = async (json: object) => {
      const { stdout } = await coatcheckHere(["doctor", "--json", ...(await settings(json))], env);
      return (JSON.parse(stdout) as Finding[]).find(({ check }) => check === "cipher");
    };
    const { severity, what } = (await cipherOf({}))!;
    assert.equal(severity, "ok");
    assert.match(what, /AES-256-GCM.*npm install sodium-native.*cipher: "xchacha20-poly1305"/);
    assert.match((await cipherOf({ cipher: "xchacha20-poly1305" }))!.what, /libsodium/);
    assert.equal(await cipherOf({ encryption: "off" }), undefined);
  });

  test("that are well", async () => {
    await assertWell(await settings({}, ["--site", "https://shop.example.com"]));
  });

  const cases: [name: string, json: object, check: string, severity: "error" | "warning", site?: string][] = [
    ["a secret that somebody made up", { secret: "my-super-secret-password-for-the-shop" }, "secret", "error"],
    [
      "a secret of few characters again and again",
      { secret: "abababababababababababababababababab" },
      "secret",
      "error",
    ],
    [
      "a cookie that goes over plain http although the site has https",
      { cookie: { secure: false } },
      "cookie-secure",
      "error",
      "https://shop.example.com",
    ],
    ["a Secure cookie on a site without https", {}, "cookie-secure", "error", "http://shop.example.com"],
    [
      "a cookie for another domain",
      { cookie: { domain: "example.org" } },
      "cookie-domain",
      "error",
      "https://shop.example.com",
    ],
    [
      "a cookie for all subdomains",
      { cookie: { domain: "example.com" } },
      "cookie-host",
      "warning",
      "https://shop.example.com",
    ],
    [
      "a cookie for requests of other sites",
      { cookieSameSite: "None", cookie: { secure: true } },
      "cookie-same-site",
      "warning",
    ],
    ["sessions that last for days", { timeout: 10_000 }, "idle-timeout", "warning"],
    ["a store that may hang for long", { storeTimeout: "2m" }, "store-timeout", "warning"],
    ["records that are not sealed", { encryption: "off" }, "encryption", "error"],
    ["sessions in the memory of one process", { mode: "memory", options: {} }, "store-in-process", "warning"],
    ["a configuration that is wrong", { cookieSameSite: "lax" }, "configuration", "error"],
  ];
  for (const [name, json, check, severity, site] of cases) {
    test(name, async () => {
      await assertFault(await settings(json, site === undefined ? [] : ["--site", site]), check, severity);
    });
  }

  const well: [name: string, json: object, site: string][] = [
    ["a Secure cookie on this machine", {}, "http://localhost:3000"],
    ["a cookie for plain http on a site without https", { cookie: { secure: false } }, "http://shop.example.com"],
    ["a cookie for development, on a site with https", { cookie: { secure: "auto" } }, "https://shop.example.com"],
  ];
  for (const [name, json, site] of well) {
    test(`${name} is well`, async () => assertWell(await settings(json, ["--site", site])));
  }

  test("a cookie's domain fits the site or a part of it, and no longer name", async () => {
    const found = async (site: string) =>
      (await examine(await settings({ cookie: { domain: "example.org" } }, ["--site", site]))).named("cookie-domain");
    assert.equal(await found("https://example.org"), undefined);
    assert.equal(await found("https://shop.example.org"), undefined);
    assert.equal((await found("https://badexample.org"))?.severity, "error");
  });

  test("no secret", async () => {
    await assertFault(["--store", `file:${join(cwd, "sessions")}`], "secret", "error", { SESSION_SECRET: undefined });
  });

  test("a folder that other accounts can open", async () => {
    const path = join(cwd, "open");
    mkdirSync(path);
    await examine(["--store", `file:${path}`]);
    for (const mode of [0o755, 0o750, 0o701]) {
      chmodSync(path, mode);
      await assertFault(["--store", `file:${path}`], "file-access", "error");
    }
  });

  test("a store whose clock is behind", async () => {
    const module = new URL("../../src/stores/file/index.ts", import.meta.url).href;
    for (const [seconds, severity] of [
      [10, "warning"],
      [120, "error"],
    ] as const) {
      const type = `./behind-${seconds}.mjs`;
      writeFileSync(
        join(cwd, type),
        `import { file } from ${JSON.stringify(module)};
        export default (options) => ({ ...file(options), time: async () => Date.now() - ${seconds * 1_000} });`,
      );
      const providers = [{ name: "behind", type, options: { path: join(cwd, "behind") } }];
      const args = await settings({ mode: "Custom", customProvider: "behind", providers, options: undefined });
      const [fault] = (await assertFault(args, "clock", severity)).filter(({ check }) => check === "clock");
      assert.match(fault!.what, /^the store's clock is \d+ ms behind this machine's$/);
    }
  });

  test("a store that takes its time", async () => {
    // A custom store, whose server answers late.
    slow = createServer((_req, res) => void setTimeout(() => res.end("[]"), 60));
    await new Promise<void>((resolve) => slow.listen(0, "127.0.0.1", resolve));
    const { port } = slow.address() as { port: number };
    writeFileSync(
      join(cwd, "slow-store.mjs"),
      `export default () => {
        const wait = () => fetch("http://127.0.0.1:${port}").then(() => undefined);
        return { read: wait, create: () => wait().then(() => 1), update: () => wait().then(() => 2), delete: () => wait().then(() => true),
          touch: () => wait().then(() => true), close: async () => {}, time: async () => Date.now() + 120_000 };
      };`,
    );
    const faults = await assertFault(
      await settings({
        mode: "Custom",
        customProvider: "slow",
        providers: [{ name: "slow", type: "./slow-store.mjs" }],
        options: undefined,
      }),
      "latency",
      "warning",
    );
    assert.ok(faults.some(({ check, severity }) => check === "clock" && severity === "error"));
    assert.ok(faults.some(({ check }) => check === "list"));
  });
});
