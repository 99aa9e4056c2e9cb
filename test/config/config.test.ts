// fromConfig: JSON configurations, their variables, and the messages for wrong ones.

// biome-ignore-all lint/suspicious/noTemplateCurlyInString: a configuration names a variable like this
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { ConfigError, type ConfigOptions, fromConfig } from "../../src/config/index.ts";
import schema from "../../src/config/schema.json" with { type: "json" };
import { type CookieOptions, createSessions, type SessionsOptions } from "../../src/index.ts";
import type { AzureTableOptions } from "../../src/stores/azure-table/options.ts";
import type { CosmosOptions } from "../../src/stores/cosmos/options.ts";
import type { FileOptions } from "../../src/stores/file/index.ts";
import type { MemoryOptions } from "../../src/stores/memory/index.ts";
import type { MssqlOptions } from "../../src/stores/mssql/index.ts";
import type { MysqlOptions } from "../../src/stores/mysql/index.ts";
import type { PostgresOptions } from "../../src/stores/postgres/index.ts";
import type { RedisOptions } from "../../src/stores/redis/index.ts";
import type { SqliteOptions } from "../../src/stores/sqlite/index.ts";
import { SECRET } from "../support/stores.ts";

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), "coatcheck-config-"));
});
after(() => rmSync(folder, { recursive: true, force: true }));

function written(name: string, content: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

/** The problems of a configuration that is refused. */
async function problems(source: unknown, options?: ConfigOptions): Promise<readonly string[]> {
  try {
    await fromConfig(source as object, options);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    assert.equal(error.code, "COATCHECK_CONFIG");
    for (const problem of error.problems) assert.ok(error.message.includes(problem));
    return error.problems;
  }
  assert.fail("a wrong configuration was accepted");
}

async function onlyProblem(source: unknown, options?: ConfigOptions): Promise<string> {
  const all = await problems(source, options);
  assert.equal(all.length, 1, all.join("\n"));
  return all[0]!;
}

describe("fromConfig", () => {
  test("reads a file, a file URL or an object, and its options make sessions", async () => {
    const json = {
      $schema: "any",
      mode: "memory",
      secret: SECRET,
      timeout: 45,
      cookieName: "shop",
      cookieSameSite: "Strict",
    };
    const path = written("session.json", `\uFEFF${JSON.stringify(json)}`);
    for (const source of [path, pathToFileURL(path), json]) {
      const { store, ...rest } = await fromConfig(source);
      assert.equal(store!.inProcess, true);
      assert.deepEqual(rest, {
        secret: SECRET,
        idleTimeout: 45 * 60_000,
        cookie: { name: "shop", sameSite: "Strict" },
      });
      const sessions = createSessions<{ user: string }>(await fromConfig(source));
      const session = await sessions.open("");
      session.data.user = "ada";
      const [cookie] = await session.commit();
      assert.match(cookie!, /^shop=.*SameSite=Strict/);
      assert.equal((await sessions.open(cookie!.split(";")[0])).data.user, "ada");
    }
  });

  test("gives every option of the file, and no other", async () => {
    const same = {
      secret: [SECRET, `old ${SECRET}`],
      absoluteTimeout: "8h",
      encryption: "ticket",
      maxSize: 5000,
      storeTimeout: 250,
      onStoreError: "anonymous",
      sweepInterval: false,
    } as const;
    const cookie = { secure: "auto", path: "/shop", domain: "example.com", maxAge: "30d", partitioned: false } as const;
    const { store: _, ...rest } = await fromConfig({
      ...same,
      cookie,
      compressionEnabled: true,
      requestMode: "readonly",
    });
    assert.deepEqual(rest, { ...same, cookie, compress: true, mode: "readonly" });
    assert.deepEqual(Object.keys(await fromConfig({})).sort(), ["cookie", "store"]);
  });

  test("makes every built-in store by its name, without connecting", async () => {
    const options: Record<string, object> = {
      memory: { maxSessions: 10, maxBytes: 1000 },
      file: { path: join(folder, "sessions") },
      redis: {
        host: "127.0.0.1",
        port: 1,
        accessKey: "k",
        ssl: false,
        database: 2,
        prefix: "shop:",
        keepExpired: "1m",
        notify: false,
      },
      postgres: { url: "postgres://127.0.0.1:1/x", table: "t", schema: "s", createTable: true, timeout: "1s" },
      mysql: { url: "mysql://127.0.0.1:1/x", connection: { connectionLimit: 3 } },
      sqlite: { path: join(folder, "sessions.db"), durability: "normal" },
      mssql: { connectionString: "Server=127.0.0.1,1;Database=x;User Id=u;Password=p" },
      "azure-table": { connectionString: "UseDevelopmentStorage=true", table: "shop" },
      cosmos: {
        endpoint: "http://127.0.0.1:1",
        key: "YW55",
        throughput: { max: 4000 },
        preferredLocations: ["West Europe"],
      },
    };
    assert.deepEqual(
      Object.keys(options).sort(),
      Object.keys(schema.$defs)
        .filter((name) => !["env", "duration"].includes(name))
        .sort(),
    );
    for (const [mode, own] of Object.entries(options)) {
      const byMode = await fromConfig({ mode, options: own });
      const byProvider = await fromConfig({
        mode: "Custom",
        customProvider: "it",
        providers: [{ name: "it", type: `coatcheck/${mode}`, options: own }],
      });
      for (const { store } of [byMode, byProvider]) {
        assert.equal(typeof store!.read, "function", mode);
        await store!.close();
      }
    }
  });

  test("InProc, the default, is the memory store, and Off turns sessions off without a secret", async () => {
    for (const source of [{}, { mode: "InProc" }, { mode: "memory" }])
      assert.equal((await fromConfig(source)).store!.inProcess, true);
    const session = await createSessions<{ user: string }>(await fromConfig({ mode: "Off" })).open("");
    assert.throws(() => {
      session.data.user = "ada";
    }, /turned off/);
  });

  test("gives options that code can add functions to", async () => {
    const sessions = createSessions<{ views: number }>({
      ...(await fromConfig({ timeout: 5 })),
      secret: SECRET,
      merge: { views: "counter" },
      initial: { views: 0 },
    });
    assert.equal((await sessions.open("")).data.views, 0);
  });
});

describe("fromConfig: the cache", () => {
  test("is in front of the store if the file says so", async () => {
    const path = join(folder, "cached");
    for (const cache of [true, { maxBytes: 1_000_000, maxAge: "5s" }]) {
      const { store } = await fromConfig({ mode: "file", options: { path }, cache });
      assert.equal(typeof store!.refresh, "function");
      await store!.close();
    }
    for (const cache of [false, undefined]) {
      const { store } = await fromConfig({ mode: "file", options: { path }, ...(cache === false && { cache }) });
      assert.equal(store!.refresh, undefined);
      await store!.close();
    }
  });

  test("needs maxAge if the store does not announce changes, and a valid maxBytes", async () => {
    const mysql = { mode: "mysql", options: { url: "mysql://localhost" } };
    await assert.rejects(fromConfig({ ...mysql, cache: true }), {
      code: "COATCHECK_CONFIG",
      message: /cache: option "maxAge" is undefined: this store does not announce changes/,
    });
    await assert.rejects(fromConfig({ ...mysql, cache: { maxBytes: 0 } }), { message: /cache/ });
    await assert.rejects(fromConfig({ ...mysql, cache: { maxbytes: 10 } }), { message: /maxbytes.*maxBytes/s });
  });
});

describe("fromConfig: custom stores", () => {
  const provider = (type: string, options = {}) => ({
    mode: "Custom",
    customProvider: "own",
    providers: [{ name: "own", type, options }],
  });

  test("are found by a path relative to the file", async () => {
    const type = `./${relative(folder, fileURLToPath(new URL("../fixtures/config/store.ts", import.meta.url)))}`;
    const path = written("other.json", provider(type, { maxSessions: 3 }));
    const { store } = await fromConfig(path);
    assert.equal(typeof store!.read, "function");
  });

  test("are found by the name of a package in the application's folder", async () => {
    const home = join(folder, "app/node_modules/@acme/coats");
    mkdirSync(home, { recursive: true });
    writeFileSync(
      join(home, "package.json"),
      JSON.stringify({ name: "@acme/coats", type: "module", exports: "./index.js" }),
    );
    writeFileSync(join(home, "index.js"), "export default (options) => ({ options, read: async () => undefined });");
    const path = written(
      "app/session.json",
      provider("@acme/coats", { rail: "${RAIL}-1", deep: [{ hook: "[HOOK]" }] }),
    );
    const { store } = await fromConfig(path, { env: { RAIL: "north", HOOK: "7" } });
    assert.deepEqual((store as unknown as { options: object }).options, { rail: "north-1", deep: [{ hook: "7" }] });
  });

  test("that are missing, export no function or fail are named in the message", async () => {
    writeFileSync(join(folder, "nothing.mjs"), "export const x = 1;");
    writeFileSync(join(folder, "fails.mjs"), "export default () => { throw new Error('it fails on purpose'); };");
    for (const [type, expected] of [
      ["@acme/no-such-thing", /providers\[0\]\.options.*"@acme\/no-such-thing" can't be loaded/],
      ["./no-such-file.mjs", /no-such-file/],
      ["./nothing.mjs", /has no function as its default export/],
      ["./fails.mjs", /it fails on purpose/],
      ["redsi", /did you mean "redis"/],
    ] as const) {
      assert.match(await onlyProblem(written("custom.json", provider(type))), expected);
    }
  });
});

describe("fromConfig: variables of the environment", () => {
  const env = {
    HOST: "127.0.0.1",
    PORT: "6399",
    KEY: "p[a]ss${x}",
    SSL: "false",
    MODE: "redis",
    MINUTES: "2.5",
    SECRET,
  };

  test("replace whole values of any expected type, and parts of texts", async () => {
    const source = {
      mode: "[MODE]",
      timeout: "[MINUTES]",
      secret: ["[SECRET]", "${SECRET} of old"],
      options: { host: "${HOST}", port: "[PORT]", ssl: "${SSL}", accessKey: "[KEY]", prefix: "x:[HOST]:" },
    };
    const { store, secret, idleTimeout } = await fromConfig(source, { env });
    assert.deepEqual({ secret, idleTimeout }, { secret: [SECRET, `${SECRET} of old`], idleTimeout: 150_000 });
    await assert.rejects(store!.read("key"), /127\.0\.0\.1:6399/);
    await store!.close();
    assert.equal(source.options.port, "[PORT]");
  });

  test("are not replaced after a second dollar sign", async () => {
    const { secret } = await fromConfig({ secret: "$${HOST} ${HOST} $HOST [HOST] {HOST} [host name]" }, { env });
    assert.equal(secret, "${HOST} 127.0.0.1 $HOST [HOST] {HOST} [host name]");
  });

  test("are process.env by default", async () => {
    process.env.COATCHECK_TEST_NAME = "from-env";
    const { cookie } = await fromConfig({ cookieName: "[COATCHECK_TEST_NAME]" });
    assert.equal(cookie!.name, "from-env");
    delete process.env.COATCHECK_TEST_NAME;
  });

  test("that are missing are all named with their paths, inherited property names too", async () => {
    assert.deepEqual(
      await problems({ secret: "[NO_SECRET]", cookie: { domain: "x.${NO_ZONE}" }, cookieName: "[toString]" }, { env }),
      [
        "secret needs the environment variable NO_SECRET, which is not set.",
        "cookie.domain needs the environment variable NO_ZONE, which is not set.",
        "cookieName needs the environment variable toString, which is not set.",
      ],
    );
    assert.equal(
      await onlyProblem({ mode: "cosmos", options: { endpoint: "[NO_ENDPOINT]" } }, { env }),
      "options.endpoint needs the environment variable NO_ENDPOINT, which is not set.",
    );
  });

  test("that only an unused provider needs may be missing", async () => {
    const providers = [
      { name: "here", type: "memory" },
      { name: "there", type: "redis", options: { url: "[NO_URL]", database: "[NO_NUMBER]" } },
    ];
    const { store } = await fromConfig({ mode: "Custom", customProvider: "here", providers }, { env });
    assert.equal(store!.inProcess, true);
  });

  test("of the wrong type are refused without printing the value", async () => {
    const message = await onlyProblem({ mode: "redis", options: { host: "h", port: "[KEY]" } }, { env });
    assert.equal(
      message,
      "options.port is (from the environment, not shown): expected a whole number from 1 to 65535.",
    );
  });
});

describe("fromConfig: a wrong configuration", () => {
  const expectations: [string, object, string][] = [
    ["a typo in a name", { cookiename: "x" }, 'cookiename is unknown: did you mean "cookieName"?'],
    [
      "a typo deep inside",
      { mode: "redis", options: { prot: 1, host: "x" } },
      'options.prot is unknown: did you mean "port"?',
    ],
    [
      "an unknown name that is similar to none",
      { cookie: { colour: 1 } },
      "cookie.colour is unknown: expected one of secure, path, domain, maxAge, partitioned.",
    ],
    ["a typo in a value", { mode: "Radis" }, 'mode is "Radis": did you mean "redis"?'],
    ["a store's name in another case", { mode: "Redis" }, 'mode is "Redis": did you mean "redis"?'],
    ["a value in another case", { cookieSameSite: "lax" }, 'cookieSameSite is "lax": did you mean "Lax"?'],
    [
      "a value that no other is similar to",
      { mode: "mongodb" },
      'mode is "mongodb": expected one of "Off", "InProc", "Custom", "memory", "file", "redis", "postgres", "mysql", "sqlite", "mssql", "azure-table", "cosmos".',
    ],
    ["a text for a number", { timeout: "20m" }, 'timeout is "20m": expected a number above 0.'],
    ["zero for a positive number", { timeout: 0 }, "timeout is 0: expected a number above 0."],
    ["null", { timeout: null }, "timeout is null: expected a number above 0."],
    ["a fraction for a whole number", { maxSize: 0.5 }, "maxSize is 0.5: expected a whole number from 1."],
    [
      "a number out of range",
      { mode: "redis", options: { host: "x", port: 65_536 } },
      "options.port is 65536: expected a whole number from 1 to 65535.",
    ],
    ["a number for a text", { cookieName: 5 }, "cookieName is 5: expected a text that is not empty."],
    ["a list for an object", { cookie: [] }, "cookie is a list: expected an object."],
    ["an object for a list", { providers: {} }, "providers is an object: expected a list, each item an object."],
    ["a function", { cookieName: () => "x" }, "cookieName is a function: expected a text that is not empty."],
    [
      "an invalid duration",
      { storeTimeout: "5 s" },
      'storeTimeout is "5 s": expected milliseconds, or a span such as "90s", "20m", "8h", "30d".',
    ],
    [
      "a wrong item of a list",
      { mode: "cosmos", options: { endpoint: "http://x", preferredLocations: ["a", 1] } },
      "options.preferredLocations[1] is 1: expected a text that is not empty.",
    ],
    ["a nested option", { mode: "cosmos", options: { endpoint: "http://x", throughput: { most: 4000 } } }, ""],
    [
      "an option that only code can give",
      { mode: "redis", options: { client: {} } },
      "options.client can't be set in a configuration: make the store in code instead.",
    ],
    ["a missing option", { mode: "file" }, "options.path is missing: expected a text that is not empty."],
    [
      "a typo in an unused provider",
      { providers: [{ name: "a", type: "redis", options: { hots: "x" } }] },
      'providers[0].options.hots is unknown: did you mean "host"?',
    ],
    [
      "a provider without a type",
      { providers: [{ name: "a" }] },
      "providers[0].type is missing: expected a text that is not empty.",
    ],
    [
      "two providers with one name",
      {
        providers: [
          { name: "a", type: "memory" },
          { name: "a", type: "memory" },
        ],
      },
      'providers[1].name is "a", which another provider has: expected a unique name.',
    ],
    [
      "no provider chosen",
      { mode: "Custom", providers: [{ name: "a", type: "memory" }] },
      'customProvider is missing: mode "Custom" needs the name of one of the providers: a.',
    ],
    [
      "an unknown provider",
      { mode: "Custom", customProvider: "shop1", providers: [{ name: "shop", type: "memory" }] },
      'customProvider is "shop1", which is none of the providers: did you mean "shop"?',
    ],
    [
      "options without a store",
      { options: { port: 1 } },
      'options belong to the store that mode names, but mode is "InProc": set mode to a store\'s name, such as "redis".',
    ],
    [
      "a timeout longer than the absolute one",
      { timeout: 100_000 },
      "timeout is 100000 minutes, longer than absoluteTimeout, which is 30 days by default: set absoluteTimeout, too.",
    ],
    [
      "options that the store itself refuses",
      { mode: "redis", options: { host: "x", url: "redis://x" } },
      'options, for the store "redis": option "url and host" is given together: give exactly one of url, host, client, cluster, sentinel and servers.',
    ],
  ];
  for (const [what, source, expected] of expectations) {
    test(`with ${what} is refused`, async () => {
      if (expected !== "") assert.equal(await onlyProblem(source), expected);
      else
        assert.deepEqual(await problems(source), [
          "options.throughput.max is missing: expected a whole number from 1000.",
          "options.throughput.most is unknown: expected one of max.",
        ]);
    });
  }

  test("takes what limits an owner's sessions and renews tickets, and says what is wrong with it", async () => {
    const limits = { maxPerOwner: { limit: 3, when: "deny" }, renewAfter: "7d" };
    assert.deepEqual(await fromConfig({ secret: SECRET, ...limits }).then(({ maxPerOwner, renewAfter }) => ({ maxPerOwner, renewAfter })), limits); // biome-ignore format: one line
    assert.deepEqual(await problems({ maxPerOwner: { limit: 3, when: "ask" }, renewAfter: "soon" }), [
      'maxPerOwner.when is "ask": expected one of "deny", "evict-oldest".',
      'renewAfter is "soon": expected milliseconds, or a span such as "90s", "20m", "8h", "30d".',
    ]);
  });

  test("gives every problem in one error, with the name of the file", async () => {
    const path = written("many.json", { cookiename: "x", timeout: -1, cookie: { secure: "yes" } });
    await assert.rejects(fromConfig(path), {
      name: "ConfigError",
      message: `coatcheck: many.json:
  - cookiename is unknown: did you mean "cookieName"?
  - timeout is -1: expected a number above 0.
  - cookie.secure is "yes": expected true or false, or "auto".`,
    });
  });

  test("gives the problems of the file, of the store, of the cache and of the options in one error", async () => {
    assert.deepEqual(
      await problems({
        mode: "mysql",
        options: { url: "mysql://localhost/x", table: " " },
        cache: { maxAge: "1s", maxbytes: 5 },
        secret: "short",
        cookieName: "a b",
        timeout: 60,
        absoluteTimeout: "30m",
        exclusive: { lease: 10, maxwait: 5 },
      }),
      [
        'cache.maxbytes is unknown: did you mean "maxBytes"?',
        'exclusive.maxwait is unknown: did you mean "maxWait"?',
        "timeout is 60 minutes, longer than absoluteTimeout (30m): raise that, or lower this.",
        'options, for the store "mysql": option "table" is " ": leave out NUL, a space at the end and characters beyond U+FFFF.',
        'cookieName is "a b": use letters, digits, - and _ only.',
        'exclusive.lease is 10: give a span from "1s" to "24d"; "10s" is usual.',
        "secret is 5 characters long: 32 are the least; make one with: node -e \"console.log(crypto.randomBytes(32).toString('base64url'))\"",
      ],
    );
    assert.deepEqual(
      await problems({
        mode: "file",
        options: { pth: "x" },
        cookie: { path: "x" },
        providers: [{ type: "redis", options: { hots: "x" } }],
      }),
      [
        "providers[0].name is missing: expected a text that is not empty.",
        'providers[0].options.hots is unknown: did you mean "host"?',
        "options.path is missing: expected a text that is not empty.",
        'options.pth is unknown: did you mean "path"?',
        'cookie.path is "x": give a path that starts with "/".',
      ],
    );
    assert.deepEqual(await problems({ mode: 5, options: { anything: 1 }, secret: "short" }), [
      'mode is 5: expected one of "Off", "InProc", "Custom", "memory", "file", "redis", "postgres", "mysql", "sqlite", "mssql", "azure-table", "cosmos".',
      "secret is 5 characters long: 32 are the least; make one with: node -e \"console.log(crypto.randomBytes(32).toString('base64url'))\"",
    ]);
  });

  test("never prints a secret", async () => {
    const sources = [
      { secret: [SECRET, 5] },
      { secret: { value: SECRET } },
      { mode: "redis", options: { accessKey: [SECRET] } },
      { mode: "redis", options: { url: `http://:${SECRET}@x` } },
      { mode: "cosmos", options: { key: SECRET } },
      { mode: "azure-table", options: { accountKey: SECRET } },
      { mode: "redis", options: { cluster: { nodes: [`nonsense://${SECRET}`] } } },
      { mode: "mssql", options: { connectionString: "" } },
    ];
    for (const source of sources) {
      const text = (await problems(source)).join();
      assert.equal(text.includes(SECRET), false, text);
    }
  });

  test("that is not JSON gets the position of the mistake, without quoting it", async () => {
    const message = await onlyProblem(written("broken.json", `{\n  "secret": "${SECRET}"\n  "mode": "memory"\n}`));
    assert.match(message, /not JSON, at line 3, column 3/);
    for (const text of ["", "{", `{"secret":"${SECRET}`, `{"a":${SECRET}}`, "[]", "null", '"text"', "5"]) {
      const message = await onlyProblem(written("broken.json", text));
      assert.match(message, /not JSON|not an object/);
      assert.equal(message.includes("tests"), false);
    }
    assert.match(await onlyProblem(join(folder, "missing.json")), /missing\.json can't be read/);
  });

  test("can't change the prototypes of objects", async () => {
    for (const text of [
      '{ "__proto__": { "polluted": true } }',
      '{ "cookie": { "__proto__": { "polluted": true } } }',
      '{ "mode": "postgres", "options": { "connection": { "ssl": { "__proto__": { "polluted": true } } } } }',
      '{ "constructor": { "prototype": { "polluted": true } } }',
      '{ "mode": "__proto__" }',
      '{ "mode": "Custom", "customProvider": "__proto__", "providers": [] }',
      '{ "mode": "Custom", "customProvider": "a", "providers": [{ "name": "a", "type": "./x.mjs", "options": { "__proto__": {} } }] }',
      '{ "mode": "constructor" }',
    ]) {
      await problems(JSON.parse(text));
      await problems(written("hostile.json", text));
      assert.equal(({} as { polluted?: boolean }).polluted, undefined);
    }
  });
});

describe("fromConfig: a setting without effect", () => {
  test("is a warning, of the process or for onWarning", async () => {
    const source = { mode: "memory", customProvider: "x", providers: [{ name: "x", type: "memory" }] };
    const warnings: string[] = [];
    await fromConfig(source, { onWarning: (warning) => warnings.push(warning) });
    assert.deepEqual(warnings, [
      'configuration: customProvider has no effect with mode "memory": only mode "Custom" uses it.',
    ]);

    const warned = new Promise<Error>((resolve) => process.once("warning", resolve));
    await fromConfig(source);
    const warning = await warned;
    assert.equal((warning as NodeJS.ErrnoException).code, "COATCHECK_CONFIG");
    assert.match(warning.message, /^coatcheck: configuration: customProvider/);
  });
});

// The schema and the options in code must have the same names, or this does not compile.
type Properties<Name extends keyof (typeof schema)["$defs"]> = (typeof schema)["$defs"][Name] extends {
  properties: infer All;
}
  ? keyof All
  : never;
type Same<Schema, Options> = [Exclude<Schema, Options>, Exclude<Options, Schema>] extends [never, never]
  ? true
  : [Exclude<Schema, Options>, Exclude<Options, Schema>];
type Renamed = "store" | "idleTimeout" | "compress" | "merge" | "initial" | "legacy";
const _inStep: [
  Same<
    Exclude<
      keyof typeof schema.properties,
      | "$schema"
      | "options"
      | "customProvider"
      | "providers"
      | "cache"
      | "timeout"
      | "cookieName"
      | "cookieSameSite"
      | "compressionEnabled"
      | "requestMode"
    >,
    Exclude<keyof SessionsOptions<object>, Renamed>
  >,
  Same<keyof typeof schema.properties.cookie.properties, Exclude<keyof CookieOptions, "name" | "sameSite">>,
  Same<Properties<"memory">, keyof MemoryOptions>,
  Same<Properties<"file">, keyof FileOptions>,
  Same<Properties<"redis">, Exclude<keyof RedisOptions, "client">>,
  Same<Properties<"postgres">, Exclude<keyof PostgresOptions, "pool">>,
  Same<Properties<"mysql">, Exclude<keyof MysqlOptions, "pool">>,
  Same<Properties<"sqlite">, Exclude<keyof SqliteOptions, "database">>,
  Same<Properties<"mssql">, Exclude<keyof MssqlOptions, "pool" | "credential">>,
  Same<Properties<"azure-table">, Exclude<keyof AzureTableOptions, "client" | "credential">>,
  Same<Properties<"cosmos">, Exclude<keyof CosmosOptions, "client" | "credential" | "agent" | "onRequestCharge">>,
] = [true, true, true, true, true, true, true, true, true, true, true];
