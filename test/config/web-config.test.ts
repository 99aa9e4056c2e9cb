// fromWebConfig: sections of ASP.NET, what they mean here, and the messages for the rest.

// biome-ignore-all lint/suspicious/noTemplateCurlyInString: a configuration names a variable like this
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { fileURLToPath, pathToFileURL } from "node:url";
import { inspect } from "node:util";
import type { Environment } from "../../src/config/environment.ts";
import { ConfigError, fromConfig, fromWebConfig } from "../../src/config/index.ts";
import { readWebConfig } from "../../src/config/web/read.ts";
import { createSessions } from "../../src/index.ts";
import { startCosmos } from "../servers/cosmos.ts";
import { startRedis } from "../servers/redis.ts";
import { SECRET } from "../support/stores.ts";

const COSMOS =
  "Microsoft.AspNet.SessionState.CosmosDBSessionStateProviderAsync, Microsoft.AspNet.SessionState.CosmosDBSessionStateProviderAsync";
const REDIS = "Microsoft.Web.Redis.RedisSessionStateProvider";
const SQL = "Microsoft.AspNet.SessionState.SqlSessionStateProviderAsync";

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), "coatcheck-web-config-"));
});
after(() => rmSync(folder, { recursive: true, force: true }));

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/web-config/${name}.config`, import.meta.url));

function file(content: string | Uint8Array, name = "web.config"): string {
  const path = join(folder, name);
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, content);
  return path;
}

const escaped = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
const attributes = (all: Record<string, string>) =>
  Object.entries(all)
    .map(([name, value]) => ` ${name}="${escaped(value)}"`)
    .join("");

interface Parts {
  session?: Record<string, string>;
  provider?: Record<string, string>;
  cookies?: Record<string, string>;
  appSettings?: Record<string, string>;
  connectionStrings?: Record<string, string>;
  web?: string;
}

function webConfig({
  session = {},
  provider,
  cookies,
  appSettings = {},
  connectionStrings = {},
  web = "",
}: Parts): string {
  const custom = provider === undefined ? {} : { mode: "Custom", customProvider: "it" };
  return file(`<?xml version="1.0" encoding="utf-8"?>
<configuration>
  <appSettings>${Object.entries(appSettings)
    .map(([key, value]) => `<add${attributes({ key, value })}/>`)
    .join("")}</appSettings>
  <connectionStrings>${Object.entries(connectionStrings)
    .map(([name, connectionString]) => `<add${attributes({ name, connectionString })}/>`)
    .join("")}</connectionStrings>
  <system.web>
    ${cookies === undefined ? "" : `<httpCookies${attributes(cookies)}/>`}
    <sessionState${attributes({ ...custom, ...session })}>
      ${provider === undefined ? "" : `<providers><add${attributes({ name: "it", ...provider })}/></providers>`}
    </sessionState>
    ${web}
  </system.web>
</configuration>`);
}

const read = (parts: Parts, env: Environment = {}) => readWebConfig(webConfig(parts), env);

async function problems(path: string, env: Environment = {}): Promise<readonly string[]> {
  try {
    await fromWebConfig(path, { env, onWarning() {} });
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.problems;
  }
  assert.fail("a wrong configuration was accepted");
}

async function onlyProblem(path: string, env?: Environment): Promise<string> {
  const all = await problems(path, env);
  assert.equal(all.length, 1, all.join("\n"));
  return all[0]!;
}

/** Stores a session with one server, and reads and ends it with another one. */
async function storesSession(path: string, env: Environment): Promise<void> {
  const servers = await Promise.all(
    [1, 2].map(async () => createSessions<{ coat: string }>(await fromWebConfig(path, { env, onWarning() {} }))),
  );
  const [first, second] = servers as [(typeof servers)[0], (typeof servers)[0]];
  try {
    const session = await first.open("");
    session.data.coat = "green, with a hood";
    const [cookie] = await session.commit();
    const again = await second.open(cookie!.split(";")[0]);
    assert.equal(again.data.coat, "green, with a hood");
    assert.equal(again.isNew, false);
    await again.destroy();
    assert.equal((await first.open(cookie!.split(";")[0])).isNew, true);
  } finally {
    await Promise.all(servers.map((server) => server.close()));
  }
}

describe("fromWebConfig: the documented section of the Cosmos DB provider", () => {
  test("loads as it is", async () => {
    const { store, sessions, warnings } = await readWebConfig(fixture("cosmos"), {});
    assert.deepEqual(store, {
      type: "cosmos",
      path: "sessionState",
      options: {
        endpoint: "https://coatroom.documents.azure.com:443/",
        key: "bm90IGEgcmVhbCBrZXk=",
        database: "[DataBaseId]",
        container: "[CollectionId]",
        throughput: 5000,
        consistencyLevel: "Session",
        preferredLocations: ["West Europe", "North Europe"],
        requestTimeout: 5000,
        maxConnections: 50,
        maxThrottleRetries: 10,
        maxThrottleWait: 10_000,
      },
    });
    assert.deepEqual(sessions, {
      idleTimeout: 20 * 60_000,
      mode: "exclusive",
      cookie: { secure: "auto" },
      storeTimeout: 15_000,
    });
    const about = warnings.map((warning) => /@(\w+)/.exec(warning)![1]).sort();
    assert.deepEqual(about, ["collectionId", "connectionMode", "connectionProtocol", "databaseId", "partitionKey"]);
  });

  test("stores a session in the emulator that app settings of the environment name", async () => {
    const server = await startCosmos();
    try {
      for (const prefix of ["APPSETTING_", ""]) {
        await storesSession(fixture("cosmos"), {
          [`${prefix}cosmosDBEndPointSetting`]: server.endpoint,
          [`${prefix}cosmosDBAuthKeySetting`]: server.key,
          DataBaseId: "coats",
          CollectionId: `rail${prefix.length}`,
          SESSION_SECRET: SECRET,
        });
      }
      const made = server.requests.filter(({ method, path }) => method === "POST" && path.endsWith("/colls"));
      assert.deepEqual(
        made.map(({ headers }) => headers["x-ms-offer-throughput"]),
        ["5000", "5000"],
      );
    } finally {
      await server.close();
    }
  });
});

describe("fromWebConfig: the documented section of the Redis provider", () => {
  test("loads as it is, and as the package writes it at installation", async () => {
    const full = await readWebConfig(fixture("redis"), {});
    assert.deepEqual(full, {
      sessions: {
        idleTimeout: 30 * 60_000,
        mode: "exclusive",
        cookie: { secure: "auto", name: "shop" },
        storeTimeout: 5000,
      },
      store: {
        type: "redis",
        path: "sessionState",
        options: {
          host: "coatroom.redis.cache.windows.net",
          port: 6380,
          accessKey: "bm90IGEgcmVhbCBrZXk=",
          ssl: true,
          database: 3,
          prefix: "shop:",
        },
      },
      warnings: [],
    });
    const empty = await readWebConfig(fixture("redis-package"), {});
    assert.deepEqual(empty.store!.options, { host: "127.0.0.1", ssl: true });
  });

  test("stores a session in a Redis with TLS and an access key", async () => {
    const server = await startRedis({ tls: true, password: "the-access-key" });
    const known = getCACertificates();
    setDefaultCACertificates([...known, server.ca!]);
    try {
      const env = {
        APPSETTING_CacheHost: "127.0.0.1",
        APPSETTING_CachePort: String(server.port),
        APPSETTING_CacheKey: "the-access-key",
      };
      await storesSession(fixture("redis"), { ...env, SESSION_SECRET: SECRET });

      const path = webConfig({ provider: { type: REDIS, connectionString: "Cache", applicationName: "shop" } });
      const cache = `127.0.0.1:${server.port},password=the-access-key,ssl=True,abortConnect=False`;
      const sessions = createSessions<{ coat: string }>(
        await fromWebConfig(path, { env: { REDISCACHECONNSTR_Cache: cache, SESSION_SECRET: SECRET } }),
      );
      const session = await sessions.open("");
      session.data.coat = "red";
      await session.commit();
      const keys = (await server.cli("keys", "*")).split("\n");
      assert.ok(keys.length > 0 && keys.every((key) => key.startsWith("shop:")), keys.join());
      await sessions.close();
    } finally {
      setDefaultCACertificates(known);
      await server.stop();
    }
  });
});

describe("fromWebConfig: names in another case", () => {
  test("of attributes, as in Microsoft's own section of the SQL provider", async () => {
    const path = file(`<configuration>
      <connectionStrings><add name="DefaultConnection" connectionString="Server=a;Database=b;User ID=u;Password=p"/></connectionStrings>
      <system.web><sessionState cookieless="false" regenerateExpiredSessionId="true" mode="Custom" customProvider="SqlSessionStateProviderAsync">
        <providers>
          <add name="SqlSessionStateProviderAsync" connectionStringName="DefaultConnection" UseInMemoryTable="false" MaxRetryNumber="10" RetryInterval="1" type="${SQL}, ${SQL}, Version=1.1.0.0, Culture=neutral, PublicKeyToken=31bf3856ad364e35"/>
        </providers>
      </sessionState></system.web></configuration>`);
    const { store, warnings } = await readWebConfig(path, {});
    assert.deepEqual(store!.options, {
      connectionString: "Server=a;Database=b;User ID=u;Password=p",
      createTable: true,
    });
    assert.deepEqual(warnings.map((warning) => /@(\w+) has no effect/.exec(warning)![1]).sort(), [
      "maxRetryNumber",
      "retryInterval",
    ]);
  });

  test("of providers and of their types", async () => {
    for (const [customProvider, type] of [
      ["IT", REDIS],
      ["it", REDIS.toLowerCase()],
      ["It", REDIS.toUpperCase()],
    ] as const) {
      const { store } = await read({ session: { customProvider }, provider: { type, Host: "a", SSL: "false" } });
      assert.deepEqual(store!.options, { host: "a", ssl: false });
    }
    const twice = file(`<configuration><system.web><sessionState mode="Custom" customProvider="a"><providers>
      <add name="a" type="${REDIS}"/><add name="A" type="${REDIS}"/></providers></sessionState></system.web></configuration>`);
    assert.match(await onlyProblem(twice), /add\[A\] is there twice/);
  });
});

describe("fromWebConfig: a web.config in several files", () => {
  test("is read with configSource, the file of appSettings, and a location for the whole site", async () => {
    const { store, sessions } = await readWebConfig(fixture("sql"), {});
    assert.deepEqual(store!.options, {
      connectionString:
        'Server=tcp:coatroom.database.windows.net,1433;Initial Catalog=Coats;User ID=attendant;Password="a;b=c";Encrypt=True',
      createTable: true,
      table: "Coats",
      timeout: 20_000,
    });
    assert.deepEqual(sessions, {
      idleTimeout: 60 * 60_000,
      mode: "exclusive",
      cookie: { secure: true, sameSite: "Strict", domain: "example.com" },
      compress: true,
      secret: "a secret of the other file, which is long enough",
      storeTimeout: 20_000,
    });
    const made = await fromWebConfig(pathToFileURL(fixture("sql")), { env: {}, onWarning() {} });
    assert.equal(typeof made.store!.read, "function");
  });

  test("can't include a file outside of its folder, or a missing or wrong one", async () => {
    file("<sessionState/>", "outside.config");
    file("<pages/>", "site/pages.config");
    for (const [source, expected] of [
      ["../outside.config", /expected a file in the same folder/],
      ["..\\outside.config", /expected a file in the same folder/],
      ["/etc/passwd", /expected a file in the same folder/],
      ["C:\\sessions.config", /expected a file in the same folder/],
      ["missing.config", /missing\.config can't be read/],
      ["pages.config", /root of pages\.config is <pages>: expected <sessionState>/],
    ] as const) {
      const path = file(
        `<configuration><system.web><sessionState configSource="${source}"/></system.web></configuration>`,
        "site/web.config",
      );
      assert.match(await onlyProblem(path), expected);
    }
    const both = file(
      '<configuration><system.web><sessionState configSource="x.config" mode="Off"/></system.web></configuration>',
    );
    assert.match(await onlyProblem(both), /expected only the configSource/);
    const { warnings } = await readWebConfig(
      file('<configuration><appSettings file="secrets.config"/></configuration>'),
      {},
    );
    assert.deepEqual(warnings, ["appSettings/@file has no effect: there is no file secrets.config."]);
  });

  test("that configures a part of the site gets a warning", async () => {
    const path = file(
      '<configuration><location path="admin"><system.web><sessionState mode="Off"/></system.web></location></configuration>',
    );
    const { warnings, store } = await readWebConfig(path, {});
    assert.equal(store!.type, "memory");
    assert.match(warnings.join(), /location\[admin\] has no effect/);
  });

  describe("with sections that are encrypted for Windows", () => {
    const protectedSection = (name: string) =>
      `<${name} configProtectionProvider="RsaProtectedConfigurationProvider"><EncryptedData><CipherData>
      <CipherValue>AQAA</CipherValue></CipherData></EncryptedData></${name}>`;
    const encrypted = (provider: Record<string, string>, sections = protectedSection("connectionStrings"), web = "") =>
      file(`<configuration>${sections}<system.web>${web}
        <sessionState mode="Custom" customProvider="it"><providers><add${attributes({ name: "it", ...provider })}/></providers>
        </sessionState></system.web></configuration>`);
    const sql = { type: SQL, connectionStringName: "db" };
    const text = "Server=a;Database=b;User ID=u;Password=p";

    test("is accepted if the environment gives the values", async () => {
      const { store, warnings } = await readWebConfig(encrypted(sql), { SQLAZURECONNSTR_db: text });
      assert.equal((store!.options as { connectionString: string }).connectionString, text);
      assert.deepEqual(warnings, []);
      const redis = { type: REDIS, connectionString: "Cache" };
      const fromEnvironment = await readWebConfig(encrypted(redis), { REDISCACHECONNSTR_Cache: "a:1" });
      assert.deepEqual(fromEnvironment.store!.options, { host: "a", port: 1, ssl: false });
      const both = encrypted({ type: REDIS, host: "Host" }, protectedSection("appSettings"));
      const appSettings = await readWebConfig(both, { APPSETTING_Host: "b" });
      assert.deepEqual(appSettings.store!.options, { host: "b", ssl: true });
      assert.match(appSettings.warnings.join(), /^appSettings has no effect: it is encrypted for Windows/);
    });

    test("is accepted if nothing in them is needed", async () => {
      const redis = { type: REDIS, connectionString: "a:7000,ssl=True" };
      assert.deepEqual((await readWebConfig(encrypted(redis), {})).warnings, []);
    });

    test("is refused with the variable that is missing", async () => {
      const fix = "is encrypted for Windows: set the variable";
      for (const [provider, sections, expected] of [
        [sql, undefined, `${fix} SQLAZURECONNSTR_db, or decrypt the section on that machine with aspnet_regiis -pdf`],
        [{ type: REDIS, connectionString: "Cache" }, undefined, `${fix} REDISCACHECONNSTR_Cache`],
        [
          {
            type: COSMOS,
            cosmosDBEndPointSettingKey: "e",
            databaseId: "d",
            containerId: "c",
            cosmosDBAuthKeySettingKey: "k",
          },
          protectedSection("appSettings"),
          "in <appSettings>, which is encrypted for Windows, nor in the environment (APPSETTING_e or e)",
        ],
      ] as [Record<string, string>, string | undefined, string][]) {
        const all = await problems(encrypted(provider, sections));
        assert.ok(all[0]!.includes(expected), all.join("\n"));
      }
      const mode = file(`<configuration>${protectedSection("connectionStrings")}<system.web>
        <sessionState mode="SQLServer" sqlConnectionString="db"/></system.web></configuration>`);
      assert.match(await onlyProblem(mode), /sqlConnectionString is "db".*set the variable SQLAZURECONNSTR_db/);
    });

    test("needs a secret from elsewhere if the machine key is encrypted", async () => {
      const provider = { type: REDIS, host: "a" };
      const path = encrypted(provider, "", protectedSection("machineKey"));
      assert.match(
        await onlyProblem(path),
        /the secret is missing, since <machineKey>.*set the variable SESSION_SECRET/,
      );
      assert.equal((await readWebConfig(path, { SESSION_SECRET: SECRET })).sessions.secret, SECRET);
    });

    test("is refused if the section itself is encrypted", async () => {
      const path = file(`<configuration><system.web>${protectedSection("sessionState")}</system.web></configuration>`);
      assert.match(await onlyProblem(path), /<sessionState> is encrypted for Windows/);
    });
  });
});

describe("fromWebConfig: settings", () => {
  const provider = { type: REDIS, host: "Cache.Host", accessKey: "Cache:Key", ssl: "UseTls", port: "Port" };
  const appSettings = { "cache.host": "from-file", "Cache:Key": "key of the file", UseTls: "False", Port: "7000" };
  const options = async (env: Environment, more: Record<string, string> = {}) =>
    (await read({ provider: { ...provider, ...more }, appSettings }, env)).store!.options;

  test("come from the file, and the environment overrides them as in Azure App Service", async () => {
    assert.deepEqual(await options({}), { host: "from-file", port: 7000, accessKey: "key of the file", ssl: false });
    assert.deepEqual(
      await options({
        "APPSETTING_Cache.Host": "azure",
        APPSETTING_Cache__Key: "on Linux",
        APPSETTING_USETLS: "true",
        Port: "7001",
      }),
      { host: "azure", port: 7001, accessKey: "on Linux", ssl: true },
    );
    // A variable that only happens to have the name is not used.
    assert.deepEqual(await options({ elsewhere: "from the environment" }, { host: "elsewhere" }), {
      host: "elsewhere",
      port: 7000,
      accessKey: "key of the file",
      ssl: false,
    });
  });

  test("have [NAME] and ${NAME} replaced from the environment", async () => {
    const { host, accessKey } = (await options(
      { WHERE: "eu", KEY: "k" },
      { host: "cache-${WHERE}.example.com", accessKey: "[KEY]" },
    )) as Record<string, string>;
    assert.deepEqual({ host, accessKey }, { host: "cache-eu.example.com", accessKey: "k" });
  });

  test("are added, removed and cleared in the file's order", async () => {
    const path = file(`<configuration>
      <appSettings><add key="a" value="1"/><add key="Host" value="first"/><clear/><add key="host" value="second"/><remove key="B"/></appSettings>
      <system.web><sessionState mode="Custom" customProvider="it"><providers>
        <add name="it" type="Nonsense"/><remove name="it"/>
        <add name="it" type="${REDIS}" host="HOST" accessKey="a"/>
      </providers></sessionState></system.web></configuration>`);
    assert.deepEqual((await readWebConfig(path, {})).store!.options, { host: "second", accessKey: "a", ssl: true });
  });

  test("give the secret: the app setting, the variable, or the machine key", async () => {
    const key = "0123456789ABCDEF".repeat(4);
    const web = `<machineKey validationKey="${key},IsolateApps" decryptionKey="AutoGenerate"/>`;
    const secret = async (parts: Parts, env: Environment = {}) => (await read({ web, ...parts }, env)).sessions.secret;
    assert.equal(await secret({}), key);
    assert.equal(await secret({}, { SESSION_SECRET: SECRET }), SECRET);
    assert.equal(await secret({ appSettings: { "coatcheck:secret": "own" } }, { SESSION_SECRET: SECRET }), "own");
    assert.equal(
      await secret({ appSettings: { "coatcheck:secret": "own" } }, { APPSETTING_coatcheck__secret: "azure's" }),
      "azure's",
    );
    assert.equal(await secret({ web: '<machineKey validationKey="AutoGenerate,IsolateApps"/>' }), undefined);
  });

  test("that are named and missing are refused with their names", async () => {
    const path = webConfig({
      provider: { type: COSMOS, cosmosDBEndPointSettingKey: "where", databaseId: "d", containerId: "c" },
    });
    assert.deepEqual(await problems(path), [
      'sessionState/providers/add[it]/@cosmosDBEndPointSettingKey names the app setting "where", which is neither in <appSettings> nor in the environment (APPSETTING_where or where).',
      "sessionState/providers/add[it]/@cosmosDBAuthKeySettingKey is missing: expected the name of an app setting.",
    ]);
  });
});

describe("fromWebConfig: sessionState", () => {
  test("is the memory store without a section or with InProc, and Off turns sessions off", async () => {
    const bare = await fromWebConfig(file("<configuration/>"), { env: {} });
    assert.equal(bare.store!.inProcess, true);
    assert.equal((await read({ session: { mode: "InProc", timeout: "5" } })).sessions.idleTimeout, 300_000);
    const off = createSessions<{ coat: string }>(
      await fromWebConfig(webConfig({ session: { mode: "Off" } }), { env: {} }),
    );
    const session = await off.open("");
    assert.throws(() => session.set("coat", "x"), /turned off/);
  });

  test("with a timeout beyond 30 days has the same absolute timeout, which ASP.NET lacks", async () => {
    const { sessions } = await read({ session: { timeout: "525600" } });
    assert.deepEqual([sessions.idleTimeout, sessions.absoluteTimeout], [525_600 * 60_000, 525_600 * 60_000]);
    createSessions({ ...sessions, secret: SECRET });
  });

  test("sets the cookie together with httpCookies", async () => {
    const cookie = async (session: Record<string, string>, cookies?: Record<string, string>) =>
      (await read({ session, ...(cookies && { cookies }) })).sessions.cookie;
    assert.deepEqual(await cookie({}), { secure: "auto" });
    assert.deepEqual(await cookie({ cookieName: "ASP.NET_SessionId" }, { requireSSL: "True", domain: "example.com" }), {
      name: "ASP.NET_SessionId",
      secure: true,
      domain: "example.com",
    });
    assert.deepEqual(await cookie({ cookieSameSite: "Lax" }, { sameSite: "Strict" }), { secure: "auto" });
    assert.deepEqual(await cookie({}, { sameSite: "strict" }), { secure: "auto", sameSite: "Strict" });
    assert.deepEqual(await cookie({ cookieSameSite: "None" }), { secure: true, sameSite: "None" });
    for (const made of [await cookie({ cookieSameSite: "None" }), await cookie({}, { sameSite: "Unspecified" })])
      createSessions({ secret: SECRET, cookie: made! });
  });

  test("with SQLServer uses the database ASPState, or with allowCustomSqlDatabase the one it names", async () => {
    const session = {
      mode: "SQLServer",
      sqlConnectionString: "data source=db.example.com;user id=sa;password=x;",
      sqlCommandTimeout: "45",
    };
    assert.deepEqual((await read({ session })).store, {
      type: "mssql",
      path: "sessionState",
      options: {
        connectionString: "data source=db.example.com;user id=sa;password=x;Initial Catalog=ASPState",
        createTable: true,
        timeout: 45_000,
      },
    });
    const named = { ...session, sqlConnectionString: "Sessions", allowCustomSqlDatabase: "true" };
    const env = { SQLAZURECONNSTR_sessions: "Server=a;Database=Coats;User ID=u;Password=p" };
    assert.deepEqual(
      ((await read({ session: named }, env)).store!.options as { connectionString: string }).connectionString,
      env.SQLAZURECONNSTR_sessions,
    );
  });

  test("reads a connection string that uses an identity of Azure", async () => {
    const options = async (db: string) => {
      const { store, warnings } = await read({
        provider: { type: SQL, connectionStringName: "db" },
        connectionStrings: { db },
      });
      return { ...store!.options, warnings: warnings.length };
    };
    const more = { createTable: true, warnings: 0 };
    assert.deepEqual(
      await options("Server=tcp:a.database.windows.net,1433;Database=b;Authentication=Active Directory Default"),
      {
        server: "a.database.windows.net",
        database: "b",
        ...more,
      },
    );
    assert.deepEqual(
      await options("Data Source=a,1444;Initial Catalog=b;Authentication=ActiveDirectoryManagedIdentity;User ID=x"),
      {
        server: "a",
        database: "b",
        connection: { port: 1444 },
        createTable: true,
        warnings: 1,
      },
    );
    const path = webConfig({
      session: { mode: "SQLServer", sqlConnectionString: "Server=a;Authentication=Active Directory Interactive" },
    });
    assert.match(await onlyProblem(path), /an Authentication that is not supported/);
  });

  test("reads all parts of a StackExchange.Redis connection string", async () => {
    const options = async (connectionString: string) => {
      const { store, sessions, warnings } = await read({
        provider: { type: REDIS, connectionString, retryTimeoutInMilliseconds: "0" },
      });
      return {
        ...store!.options,
        timeout: sessions.storeTimeout,
        warnings: warnings.map((warning) => /: (\w+) has|(\d servers)/.exec(warning)?.slice(1).join("")),
      };
    };
    assert.deepEqual(await options("coats.redis.cache.windows.net:6380,password=a=b==,ssl=True,abortConnect=False"), {
      host: "coats.redis.cache.windows.net",
      port: 6380,
      accessKey: "a=b==",
      ssl: true,
      timeout: 1000,
      warnings: [],
    });
    assert.deepEqual(
      await options(
        "coats, user=me, Password=p, defaultDatabase=2, syncTimeout=2500, sslHost=x.example.com, connectTimeout=9000, allowAdmin=true, abortConnect=true",
      ),
      {
        host: "coats",
        user: "me",
        accessKey: "p",
        ssl: true,
        tls: { servername: "x.example.com" },
        database: 2,
        timeout: 2500,
        warnings: ["connectTimeout", "allowAdmin", "abortConnect", undefined],
      },
    );
    assert.deepEqual(await options("a:1,b:2"), {
      servers: ["a:1", "b:2"],
      ssl: false,
      timeout: 1000,
      warnings: [],
    });
    assert.deepEqual(await options("a:1,b:2,serviceName=coats"), {
      sentinel: { name: "coats", nodes: ["a:1", "b:2"] },
      ssl: false,
      timeout: 1000,
      warnings: [],
    });
    const wrong = webConfig({ provider: { type: REDIS, connectionString: "a,pasword=x,y=hidden,ssl=maybe" } });
    const text = (await problems(wrong)).join("\n");
    assert.match(text, /option "pasword", which is unknown: did you mean "password"/);
    assert.match(text, /ssl is "maybe": expected true or false/);
    assert.equal(text.includes("hidden"), false);
  });

  const tls: [connectionString: string, ssl: boolean, warning?: RegExp][] = [
    ["rediss://a:7000", true],
    ["rediss://user:p%40ss@a:7000/3", true],
    ["a:7000,rediss://b:7000", true],
    ["rediss://a:7000,ssl=False", true, /ssl=False has no effect: rediss:\/\/ in the address means TLS/],
    ["a:6380,password=p", true, /TLS is used, since port 6380 is that of Redis with TLS/],
    ["redis://a:6380", true, /TLS is used, since port 6380/],
    ["coats.redis.cache.windows.net,password=p", true, /TLS is used, since Azure's servers expect it/],
    ["coats.westeurope.redis.azure.net:10000", true, /TLS is used, since Azure's servers expect it/],
    ["a:7000,sslHost=b", true, /TLS is used, since other options are about it/],
    ["a:7000,ssl=true", true],
    ["a:6380,ssl=false,password=p", false],
    ["a:6379,password=p", false, /the password goes to the server unencrypted/],
    ["127.0.0.1:6379,password=p", false],
    ["redis://a:6379", false],
  ];
  for (const [connectionString, ssl, warning] of tls) {
    test(`uses ${ssl ? "TLS" : "no TLS"} for ${connectionString}`, async () => {
      const { store, warnings } = await read({ provider: { type: REDIS, connectionString } });
      assert.equal((store!.options as { ssl: boolean }).ssl, ssl);
      assert.equal(warnings.length, warning === undefined ? 0 : 1, warnings.join("\n"));
      if (warning !== undefined) assert.match(warnings[0]!, warning);
    });
  }

  test("reads addresses that are URLs, with what they contain", async () => {
    const options = async (connectionString: string) =>
      (await read({ provider: { type: REDIS, connectionString } })).store!.options;
    assert.deepEqual(await options("rediss://user:p%40s%2Cs@a:7000/3"), {
      host: "a",
      port: 7000,
      user: "user",
      accessKey: "p@s,s",
      ssl: true,
      database: 3,
    });
    assert.deepEqual(await options("redis://:p@[::1]:7000,password=q"), {
      host: "::1",
      port: 7000,
      accessKey: "q",
      ssl: false,
    });
    assert.deepEqual(await options("tcp://a:7000"), { host: "a", port: 7000, ssl: false });
  });

  test("refuses what is no address or option, and shows nothing that may be a part of a password", async () => {
    for (const connectionString of [
      `a:6379,password=x,${SECRET}`,
      `a:6379,password=x,hidden${SECRET.slice(0, 9)}=1`,
      `redis://user:%E0%A4%A${SECRET}@a`,
      `http://user:${SECRET}@a`,
      `user:${SECRET}@a b:6379`,
    ]) {
      const text = (await problems(webConfig({ provider: { type: REDIS, connectionString } }))).join("\n");
      assert.match(text, /@connectionString has an (address|option) \(not shown\)/);
      assert.equal(text.includes(SECRET.slice(0, 9)), false, text);
    }
  });

  test("uses throwOnError and the timeouts of the Redis provider", async () => {
    const { sessions } = await read({
      provider: {
        type: REDIS,
        throwOnError: "False",
        retryTimeoutInMilliseconds: "0",
        operationTimeoutInMilliseconds: "700",
      },
    });
    assert.deepEqual([sessions.onStoreError, sessions.storeTimeout], ["anonymous", 700]);
    assert.equal(
      (await read({ provider: { type: REDIS, retryTimeoutInMilliseconds: "9000" } })).sessions.storeTimeout,
      9000,
    );
  });

  test("gives a new container of Cosmos DB its own throughput, or with 0 the database's", async () => {
    const provider = {
      type: COSMOS,
      cosmosDBEndPointSettingKey: "e",
      cosmosDBAuthKeySettingKey: "k",
      databaseId: "d",
      containerId: "c",
      collectionId: "old",
    };
    const options = async (more: object) =>
      (await read({ provider: { ...provider, ...more } }, { e: "https://x", k: "a2V5" })).store!.options as Record<
        string,
        unknown
      >;
    assert.equal((await options({})).throughput, 5000);
    assert.equal("throughput" in (await options({ offerThroughput: "0" })), false);
    assert.equal((await options({ offerThroughput: "400" })).container, "c");
  });
});

describe("fromWebConfig: an attribute without effect", () => {
  const sql = { type: SQL, connectionStringName: "db" };
  const connectionStrings = { db: "Server=a;Database=b;User ID=u;Password=p" };
  const cosmos = {
    type: COSMOS,
    cosmosDBEndPointSettingKey: "e",
    cosmosDBAuthKeySettingKey: "k",
    databaseId: "d",
    containerId: "c",
  };
  const expectations: [string, Parts, RegExp][] = [
    [
      "stateConnectionString",
      { session: { mode: "InProc", stateConnectionString: "tcpip=127.0.0.1:42424" } },
      /no meaning with mode "InProc"/,
    ],
    ["stateNetworkTimeout", { session: { stateNetworkTimeout: "10" } }, /no meaning/],
    ["sqlConnectionString", { session: { sqlConnectionString: "data source=127.0.0.1" } }, /no meaning/],
    ["sqlCommandTimeout", { session: { sqlCommandTimeout: "30" } }, /no meaning/],
    ["allowCustomSqlDatabase", { session: { allowCustomSqlDatabase: "false" } }, /no meaning/],
    ["partitionResolverType", { session: { partitionResolverType: "Shop.Resolver" } }, /no meaning/],
    ["customProvider", { session: { customProvider: "DefaultSessionProvider" } }, /no meaning/],
    ["useHostingIdentity", { session: { useHostingIdentity: "true" } }, /connection string/],
    ["sqlConnectionRetryInterval", { session: { sqlConnectionRetryInterval: "0" } }, /safe to retry/],
    ["regenerateExpiredSessionId", { session: { regenerateExpiredSessionId: "false" } }, /never used again/],
    ["sessionIDManagerType", { session: { sessionIDManagerType: "Shop.Ids" } }, /\.NET class/],
    ["lockAttributes", { session: { lockAttributes: "timeout" } }, /no nested sites/],
    ["cookieSameSite", { session: { cookieSameSite: "-1" } }, /SameSite=Lax/],
    ["httpOnlyCookies", { cookies: { httpOnlyCookies: "false" } }, /always HttpOnly/],
    ["connectionMode", { provider: { ...cosmos, connectionMode: "Direct" } }, /gateway/],
    ["connectionProtocol", { provider: { ...cosmos, connectionProtocol: "Tcp" } }, /https/],
    ["partitionKey", { provider: { ...cosmos, partitionKey: "/p" } }, /key \/id/],
    ["partitionKeyPath", { provider: { ...cosmos, partitionKeyPath: "/p" } }, /key \/id/],
    ["partitionNumUsedByProvider", { provider: { ...cosmos, partitionNumUsedByProvider: "10" } }, /its own partition/],
    ["skipKeepAliveWhenUnused", { provider: { ...cosmos, skipKeepAliveWhenUnused: "true" } }, /keeps it alive/],
    [
      "connectionTimeoutInMilliseconds",
      { provider: { type: REDIS, connectionTimeoutInMilliseconds: "800" } },
      /5 seconds/,
    ],
    ["throwOnError", { provider: { type: REDIS, throwOnError: "false" } }, /no write is lost/],
    ["loggingClassName", { provider: { type: REDIS, loggingClassName: "Shop.Log" } }, /storeError/],
    ["loggingMethodName", { provider: { type: REDIS, loggingMethodName: "Writer" } }, /storeError/],
    ["redisSerializerType", { provider: { type: REDIS, redisSerializerType: "Shop.Json" } }, /JSON/],
    ["accessKey", { provider: { type: REDIS, accessKey: "k", connectionString: "a" } }, /connectionString has it/],
    ["maxRetryNumber", { provider: { ...sql, maxRetryNumber: "10" } }, /three times/],
    ["retryInterval", { provider: { ...sql, retryInterval: "1" } }, /three times/],
    ["repositoryType", { provider: { ...sql, repositoryType: "InMemoryDurable" } }, /ordinary table/],
    ["repositoryType", { provider: { ...sql, repositoryType: "FrameworkCompat" } }, /stay in the old one/],
    ["useInMemoryTable", { provider: { ...sql, useInMemoryTable: "true" } }, /ordinary table/],
    ["description", { provider: { ...sql, description: "Sessions" } }, /shown nowhere/],
    [
      "applicationName",
      {
        provider: {
          type: "System.Web.Providers.DefaultSessionStateProvider, System.Web.Providers",
          connectionStringName: "db",
          applicationName: "/",
        },
      },
      /need a table each/,
    ],
    ["enableSessionState", { web: '<pages enableSessionState="ReadOnly"/>' }, /mode "readonly"/],
  ];
  for (const [name, parts, reason] of expectations) {
    test(`warns: ${name}${name === "repositoryType" ? ` ${parts.provider!.repositoryType}` : ""}`, async () => {
      const { warnings } = await read({ connectionStrings, ...parts }, { e: "https://x", k: "a2V5" });
      assert.equal(warnings.length, 1, warnings.join("\n"));
      assert.match(warnings[0]!, new RegExp(`@${name} `));
      assert.match(warnings[0]!, reason);
    });
  }

  test("is reported with the file's name", async () => {
    const warnings: string[] = [];
    await fromWebConfig(webConfig({ session: { stateNetworkTimeout: "10" } }), {
      env: {},
      onWarning: (warning) => warnings.push(warning),
    });
    assert.deepEqual(warnings, [
      'web.config: sessionState/@stateNetworkTimeout has no effect: it has no meaning with mode "InProc".',
    ]);
  });
});

describe("fromWebConfig: a setting that is not supported", () => {
  const expectations: [string, Parts, RegExp][] = [
    ["a state server", { session: { mode: "StateServer" } }, /sessionState\/@mode is "StateServer".*use Redis/],
    [
      "ids in addresses",
      { session: { cookieless: "UseUri" } },
      /@cookieless is "UseUri": a session id in the address appears in histories/,
    ],
    ["ids in addresses, as a boolean", { session: { cookieless: "true" } }, /Use UseCookies/],
    ["detected cookies", { session: { cookieless: "AutoDetect" } }, /Use UseCookies/],
    [
      "a partition resolver",
      {
        session: {
          mode: "SQLServer",
          sqlConnectionString: "server=a;user id=b;password=c",
          partitionResolverType: "Shop.R",
        },
      },
      /looked for in the wrong database/,
    ],
    [
      "a method of a .NET class",
      { provider: { type: REDIS, settingsClassName: "Shop.Settings", settingsMethodName: "Get" } },
      /@settingsClassName is not supported/,
    ],
    [
      "an unknown provider",
      { provider: { type: "Alachisoft.NCache.Web.SessionState.NSessionStoreProvider, x" } },
      /a \.NET class that can't run here/,
    ],
    [
      "a misspelt provider",
      { provider: { type: "Microsoft.Web.Redis.RedisSessionProvider" } },
      /did you mean "Microsoft\.Web\.Redis\.RedisSessionStateProvider"/,
    ],
    ["a provider without a type", { provider: {} }, /@type is missing/],
    ["an unknown mode", { session: { mode: "SqlSever" } }, /@mode is "SqlSever": did you mean "SQLServer"/],
    ["an unknown attribute", { session: { timeOuts: "20" } }, /@timeOuts is unknown: did you mean "timeout"/],
    ["an attribute twice", { session: { timeout: "20", timeOut: "20" } }, /@timeOut is there twice, also as timeout/],
    [
      "a store for a mode",
      { session: { mode: "Redis" } },
      /@mode is "redis", a store of coatcheck.*mode="Custom" with the provider Microsoft\.Web\.Redis/,
    ],
    [
      "a store for a mode, without a provider",
      { session: { mode: "postgres" } },
      /@mode is "postgres".*: write a session\.json/,
    ],
    [
      "an unknown attribute of a provider",
      { provider: { type: REDIS, acessKey: "x" } },
      /@acessKey is unknown: did you mean "accessKey"/,
    ],
    [
      "an unknown attribute of cookies",
      { cookies: { requireSLL: "true" } },
      /httpCookies\/@requireSLL is unknown: did you mean "requireSSL"/,
    ],
    [
      "a timeout in another unit",
      { session: { timeout: "00:20:00" } },
      /@timeout is "00:20:00": expected a whole number from 1 to 525600/,
    ],
    ["a timeout of zero", { session: { timeout: "0" } }, /@timeout is "0"/],
    [
      "neither true nor false",
      { session: { compressionEnabled: "yes" } },
      /@compressionEnabled is "yes": expected true or false/,
    ],
    [
      "too little throughput",
      {
        provider: {
          type: COSMOS,
          cosmosDBEndPointSettingKey: "e",
          cosmosDBAuthKeySettingKey: "k",
          databaseId: "d",
          containerId: "c",
          offerThroughput: "100",
        },
      },
      /@offerThroughput is "100": expected at least 400/,
    ],
    [
      "an endpoint that is not a URL",
      {
        provider: {
          type: COSMOS,
          cosmosDBEndPointSettingKey: "k",
          cosmosDBAuthKeySettingKey: "k",
          databaseId: "d",
          containerId: "c",
        },
      },
      /expected the URL of the account/,
    ],
    [
      "no container",
      { provider: { type: COSMOS, cosmosDBEndPointSettingKey: "e", cosmosDBAuthKeySettingKey: "k", databaseId: "d" } },
      /@containerId is missing/,
    ],
    [
      "a missing provider",
      { session: { mode: "Custom", customProvider: "its" }, web: "" },
      /@customProvider is "its", which is not one of the providers/,
    ],
    ["no provider chosen", { session: { mode: "Custom" } }, /@customProvider is missing/],
    [
      "a missing connection string",
      { provider: { type: SQL, connectionStringName: "bd" }, connectionStrings: { db: "x" } },
      /@connectionStringName is "bd".*did you mean "db"/,
    ],
    [
      "an invalid connection string",
      { provider: { type: SQL, connectionStringName: "db" }, connectionStrings: { db: 'Server="a' } },
      /not a connection string of ADO\.NET/,
    ],
    [
      "a server without a name",
      { provider: { type: SQL, connectionStringName: "db" }, connectionStrings: { db: "Database=a" } },
      /without a server/,
    ],
    [
      "an empty password",
      {
        provider: { type: SQL, connectionStringName: "db" },
        connectionStrings: { db: "Server=a;Password=;Database=b" },
      },
      /no value after password=/,
    ],
    [
      "a Windows account",
      {
        provider: { type: SQL, connectionStringName: "db" },
        connectionStrings: { db: "Server=a;Database=b;Integrated Security=SSPI" },
      },
      /uses the Windows account/,
    ],
    [
      "LocalDB",
      {
        provider: { type: SQL, connectionStringName: "db" },
        connectionStrings: { db: "Server=(LocalDb)\\MSSQLLocalDB;Database=b" },
      },
      /LocalDB/,
    ],
    [
      "Entity Framework",
      {
        provider: { type: SQL, connectionStringName: "db" },
        connectionStrings: { db: "metadata=res://*;provider connection string='Server=a'" },
      },
      /Entity Framework/,
    ],
    ["SQLServer without a connection", { session: { mode: "SQLServer" } }, /@sqlConnectionString is missing/],
    [
      "a named database that is not allowed",
      { session: { mode: "SQLServer", sqlConnectionString: "server=a;database=b;user id=u;password=p" } },
      /allowCustomSqlDatabase="true"/,
    ],
    [
      "a prefix with braces",
      { provider: { type: REDIS, applicationName: "{shop}" } },
      /store "redis".*without \{ and \}/,
    ],
    [
      "a transformation",
      { session: { "xdt:Transform": "Insert" }, web: "" },
      /belongs to a transformation: .*option "transform"/,
    ],
  ];
  for (const [what, parts, expected] of expectations) {
    test(`is refused: ${what}`, async () => {
      assert.match(await onlyProblem(webConfig(parts), { e: "https://x", k: "a2V5" }), expected);
    });
  }

  test("is refused together with what the store and the options refuse", async () => {
    const all = await problems(
      webConfig({
        session: { timeout: "never", cookieName: "a b" },
        provider: { type: REDIS, host: "a", applicationName: "{shop}" },
        appSettings: { "coatcheck:secret": "short" },
      }),
    );
    assert.equal(all.length, 4, all.join("\n"));
    for (const [i, expected] of [
      /sessionState\/@timeout is "never"/,
      /sessionState, for the store "redis": option "prefix" is "\{shop\}:"/,
      /sessionState\/@cookieName is "a b": use letters/,
      /the secret \(the app setting coatcheck:secret.*\) is 5 characters long/,
    ].entries()) {
      assert.match(all[i]!, expected);
    }
  });

  test("is refused together with all others, and no secret is printed", async () => {
    const path = webConfig({
      session: { timeout: "never", cookieless: "true" },
      provider: { type: SQL, connectionStringName: "db" },
      connectionStrings: { db: `Server=a;Integrated Security=true;Password=${SECRET}` },
    });
    const all = await problems(path);
    assert.equal(all.length, 3);
    assert.equal(all.join().includes(SECRET), false);
  });
});

describe("fromWebConfig: no error and no warning shows a secret", () => {
  const PLANTED = "sekretD41d8";
  const forms = [
    `user:${PLANTED}@a`,
    `redis://:${PLANTED}@a:1`,
    `rediss//:${PLANTED}@a`,
    `a:1,password=${PLANTED},x=${PLANTED}`,
    `a:1,password=x,${PLANTED}`,
    `Server=a;Password=${PLANTED};User ID=u`,
    `Server=a;Password=${PLANTED};Integrated Security=true`,
    `AccountEndpoint=https://a;AccountKey=${PLANTED}`,
    `https://a/?sig=${PLANTED}`,
  ];
  const session = ["mode", "timeout", "cookieless", "cookieName", "cookieSameSite", "compressionEnabled", "customProvider", "sqlConnectionString", "sqlCommandTimeout", "stateConnectionString", "partitionResolverType", "nonsense"]; // biome-ignore format: one line
  const provider: Record<string, readonly string[]> = {
    [REDIS]: ["host", "port", "accessKey", "ssl", "databaseId", "applicationName", "connectionString", "operationTimeoutInMilliseconds", "throwOnError", "settingsClassName", "nonsense"], // biome-ignore format: one line
    [SQL]: ["connectionStringName", "sessionTableName", "repositoryType", "useInMemoryTable", "maxRetryNumber", "nonsense"], // biome-ignore format: one line
    [COSMOS]: ["cosmosDBEndPointSettingKey", "cosmosDBAuthKeySettingKey", "databaseId", "containerId", "offerThroughput", "consistencyLevel", "requestTimeout", "nonsense"], // biome-ignore format: one line
    Nonsense: ["type"],
  };

  async function assertHidden(parts: Parts, what: string): Promise<void> {
    const warnings: string[] = [];
    const onWarning = (warning: string) => void warnings.push(warning);
    let text = "";
    try {
      const { store } = await fromWebConfig(webConfig(parts), { env: {}, onWarning });
      await store!.close();
    } catch (error) {
      text = `${(error as Error).stack} ${inspect(error)}`;
    }
    if (`${text}${warnings}`.includes(PLANTED)) assert.fail(`${what} shows the secret: ${text} ${warnings}`);
  }

  test("of an attribute of sessionState", async () => {
    for (const name of session) {
      for (const form of forms) {
        await assertHidden({ session: { [name]: form } }, name);
        await assertHidden({ session: { mode: "SQLServer", [name]: form } }, `${name} of SQLServer`);
      }
    }
  });

  for (const [type, names] of Object.entries(provider)) {
    test(`of an attribute of ${type}`, async () => {
      for (const name of names) {
        for (const form of forms) {
          await assertHidden({ provider: { type, [name]: form } }, name);
          // As the value of the app setting or of the connection string that the attribute names.
          const named = { appSettings: { it: form }, connectionStrings: { it: form } };
          await assertHidden({ provider: { type, [name]: "it" }, ...named }, `what ${name} names`);
        }
      }
    });
  }

  test("of an app setting", async () => {
    for (const key of [
      "coatcheck:secret",
      "aspnet:RequestQueueLimitPerSession",
      "aspnet:AllowConcurrentRequestsPerSession",
    ]) {
      // biome-ignore format: one line
      for (const form of forms) await assertHidden({ appSettings: { [key]: form } }, key);
    }
  });
});

test("the demo's configuration files load", async () => {
  const demo = (name: string) => fileURLToPath(new URL(`../../demo/${name}`, import.meta.url));
  const env = {
    CacheHost: "127.0.0.1",
    CachePort: "7000",
    CacheTls: "false",
    REDIS_URL: "redis://127.0.0.1:7000",
    SESSION_SECRET: SECRET,
  };
  const onWarning = (warning: string) => assert.fail(warning);
  for (const options of [
    await fromWebConfig(demo("web.config"), { env, onWarning }),
    await fromConfig(demo("session.json"), { env, onWarning }),
  ]) {
    assert.equal(options.secret, SECRET);
    assert.equal(options.compress, true);
    await assert.rejects(options.store!.read("key"), /127\.0\.0\.1:7000/);
    await options.store!.close();
  }
});

describe("fromWebConfig: a hostile or broken file", () => {
  const session = '<system.web><sessionState mode="Off"/></system.web>';
  const expectations: [string, string | Uint8Array, RegExp][] = [
    [
      "an external entity",
      `<!DOCTYPE configuration [<!ENTITY x SYSTEM "file:///etc/passwd">]><configuration><appSettings><add key="a" value="&x;"/></appSettings></configuration>`,
      /document type/,
    ],
    [
      "an external document type",
      `<?xml version="1.0"?><!-- c --><!doctype configuration SYSTEM "http://127.0.0.1:1/x.dtd"><configuration/>`,
      /document type/,
    ],
    [
      "a parameter entity",
      `<!DOCTYPE c [<!ENTITY % x SYSTEM "http://127.0.0.1:1/x"> %x;]><configuration/>`,
      /document type/,
    ],
    [
      "entities that expand",
      `<!DOCTYPE c [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><configuration x="&b;"/>`,
      /document type/,
    ],
    [
      "a document type hidden from a search",
      `<configuration x="<!--"><!DOCTYPE c [<!ENTITY x SYSTEM "file:///etc/passwd">]><appSettings><add key="a" value="&x;"/></appSettings><y z="-->"/></configuration>`,
      /entity "&x;"|document type|not well-formed|can't be parsed/,
    ],
    [
      "a custom entity",
      '<configuration><appSettings><add key="a" value="&secret;"/></appSettings></configuration>',
      /the entity "&secret;"/,
    ],
    [
      "an ampersand that is not escaped",
      '<configuration><appSettings><add key="a" value="b&c=d"/></appSettings></configuration>',
      /write &amp;/,
    ],
    ["tags that don't match", `<configuration>${session}`, /not well-formed XML, at line 1/],
    ["an attribute given twice", '<configuration a="1" a="2"/>', /not well-formed XML.*repeated/],
    ["two roots", "<configuration/><configuration/>", /not well-formed|exactly one/],
    ["an empty file", "", /not well-formed/],
    ["a file that is not XML", '{"mode":"redis"}', /not well-formed/],
    ["another root", "<sessionState/>", /its root is <sessionState>/],
    ["names that reach prototypes", '<configuration><appSettings __proto__="x"/></configuration>', /can't be parsed/],
    [
      "an element that reaches prototypes",
      "<configuration><__proto__><polluted/></__proto__></configuration>",
      /can't be parsed/,
    ],
    [
      "a section given twice",
      `<configuration>${session}${session}</configuration>`,
      /sessionState is there more than once/,
    ],
    ["bytes that are not text", Buffer.from([0x3c, 0xff, 0xff, 0x3e]), /not UTF-8/],
    [
      "an encoding that nobody knows",
      '<?xml version="1.0" encoding="klingon-8"?><configuration/>',
      /its encoding is "klingon-8", which Node\.js does not know: save it as UTF-8/,
    ],
  ];
  for (const [what, content, expected] of expectations) {
    test(`is refused: ${what}`, async () => {
      const message = await onlyProblem(file(content));
      assert.match(message, expected);
      assert.equal(message.includes("root:"), false);
    });
  }

  test("is refused when it is missing", async () => {
    assert.match(await onlyProblem(join(folder, "no-such.config")), /no-such\.config can't be read/);
  });

  test("is not one with XML's own entities, comments, other sections or UTF-16", async () => {
    const text = `<?xml version="1.0"?>
      <configuration xmlns="http://schemas.microsoft.com/.NetConfiguration/v2.0">
        <!-- <!DOCTYPE x> <sessionState mode="Off"/> & so on -->
        <runtime><assemblyBinding xmlns="urn:schemas-microsoft-com:asm.v1"><probing privatePath="bin"/></assemblyBinding></runtime>
        <system.web><sessionState cookieName="&#x61;&#98;" mode="Custom" customProvider="it"><providers>
          <add name="it" type="${REDIS}" accessKey="&lt;&amp;&quot;&apos;&gt;"/>
        </providers></sessionState></system.web>
      </configuration>`;
    for (const bytes of [
      Buffer.from(text),
      Buffer.from(`\uFEFF${text}`),
      Buffer.from(`\uFEFF${text}`, "utf16le"),
      Buffer.from(`\uFEFF${text}`, "utf16le").swap16(),
    ]) {
      const { store, sessions } = await readWebConfig(file(bytes), {});
      assert.equal(sessions.cookie!.name, "ab");
      assert.equal((store!.options as { accessKey: string }).accessKey, `<&"'>`);
    }
  });

  test("is not one in an encoding that its declaration names, or in UTF-16 without a mark", async () => {
    const text = (encoding: string) => `<?xml version="1.0" encoding="${encoding}"?>
      <configuration><system.web><sessionState mode="Custom" customProvider="it"><providers>
        <add name="it" type="${REDIS}" accessKey="Grüße"/></providers></sessionState></system.web></configuration>`;
    for (const bytes of [
      Buffer.from(text("iso-8859-1"), "latin1"),
      Buffer.from(text("ISO-8859-15"), "latin1"),
      Buffer.from(text("Windows-1252"), "latin1"),
      Buffer.from(text("us-ascii").replace("Grüße", "Gr&#252;&#223;e")),
      Buffer.from(text("utf-8")),
      Buffer.from(text("utf-16")),
      Buffer.from(text("utf-16"), "utf16le"),
      Buffer.from(text("utf-16"), "utf16le").swap16(),
    ]) {
      const { store } = await readWebConfig(file(bytes), {});
      assert.equal((store!.options as { accessKey: string }).accessKey, "Grüße");
    }
  });
});
