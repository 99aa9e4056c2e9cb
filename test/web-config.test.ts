// biome-ignore-all lint/suspicious/noTemplateCurlyInString: that is how a configuration names a variable
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Environment } from "../src/config/environment.ts";
import { ConfigError, fromConfig, fromWebConfig } from "../src/config/index.ts";
import { readWebConfig } from "../src/config/web/index.ts";
import { createSessions } from "../src/index.ts";
import { startCosmos } from "./servers/cosmos.ts";
import { startRedis } from "./servers/redis.ts";
import { SECRET } from "./support/stores.ts";

const COSMOS =
  "Microsoft.AspNet.SessionState.CosmosDBSessionStateProviderAsync, Microsoft.AspNet.SessionState.CosmosDBSessionStateProviderAsync";
const REDIS = "Microsoft.Web.Redis.RedisSessionStateProvider";
const SQL = "Microsoft.AspNet.SessionState.SqlSessionStateProviderAsync";

let folder: string;
before(() => {
  folder = mkdtempSync(join(tmpdir(), "coatcheck-web-config-"));
});
after(() => rmSync(folder, { recursive: true, force: true }));

const fixture = (name: string) => fileURLToPath(new URL(`fixtures/web-config/${name}.config`, import.meta.url));

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
  assert.fail("it was accepted");
}

async function one(path: string, env?: Environment): Promise<string> {
  const all = await problems(path, env);
  assert.equal(all.length, 1, all.join("\n"));
  return all[0]!;
}

/** Keeps a session, and reads it again as another server would. */
async function keepsASession(path: string, env: Environment): Promise<void> {
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

describe("the documented section of the Cosmos DB provider", () => {
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

  test("keeps a session in the emulator, to which app settings of the environment lead it", async () => {
    const server = await startCosmos();
    try {
      for (const prefix of ["APPSETTING_", ""]) {
        await keepsASession(fixture("cosmos"), {
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

describe("the documented section of the Redis provider", () => {
  test("loads as it is, and as the package writes it on installation", async () => {
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

  test("keeps a session in a Redis with TLS and an access key", async () => {
    const server = await startRedis({ tls: true, password: "the-access-key" });
    const known = getCACertificates();
    setDefaultCACertificates([...known, server.ca!]);
    try {
      const env = {
        APPSETTING_CacheHost: "127.0.0.1",
        APPSETTING_CachePort: String(server.port),
        APPSETTING_CacheKey: "the-access-key",
      };
      await keepsASession(fixture("redis"), { ...env, SESSION_SECRET: SECRET });

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

describe("a web.config over several files", () => {
  test("is put together: configSource, the settings' file, and a location that means the whole site", async () => {
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

  test("does not lead out of its folder, nor into a missing or wrong file", async () => {
    file("<sessionState/>", "outside.config");
    file("<pages/>", "site/pages.config");
    for (const [source, expected] of [
      ["../outside.config", /expected a file beside this one/],
      ["..\\outside.config", /expected a file beside this one/],
      ["/etc/passwd", /expected a file beside this one/],
      ["C:\\sessions.config", /expected a file beside this one/],
      ["missing.config", /missing\.config can't be read/],
      ["pages.config", /root of pages\.config is <pages>: expected <sessionState>/],
    ] as const) {
      const path = file(
        `<configuration><system.web><sessionState configSource="${source}"/></system.web></configuration>`,
        "site/web.config",
      );
      assert.match(await one(path), expected);
    }
    const both = file(
      '<configuration><system.web><sessionState configSource="x.config" mode="Off"/></system.web></configuration>',
    );
    assert.match(await one(both), /all of it must be there/);
    const { warnings } = await readWebConfig(
      file('<configuration><appSettings file="secrets.config"/></configuration>'),
      {},
    );
    assert.deepEqual(warnings, ["appSettings/@file has no effect: there is no secrets.config."]);
  });

  test("that sets sessions for a part of the site says that it can't", async () => {
    const path = file(
      '<configuration><location path="admin"><system.web><sessionState mode="Off"/></system.web></location></configuration>',
    );
    const { warnings, store } = await readWebConfig(path, {});
    assert.equal(store!.type, "memory");
    assert.match(warnings.join(), /location\[admin\] has no effect/);
  });

  test("that is encrypted for Windows is refused", async () => {
    const path = file(`<configuration><connectionStrings configProtectionProvider="RsaProtectedConfigurationProvider">
      <EncryptedData><CipherData><CipherValue>AQAA</CipherValue></CipherData></EncryptedData></connectionStrings></configuration>`);
    assert.match(await one(path), /connectionStrings is encrypted for Windows.*aspnet_regiis -pdf/);
  });
});

describe("settings", () => {
  const provider = { type: REDIS, host: "Cache.Host", accessKey: "Cache:Key", ssl: "UseTls", port: "Port" };
  const appSettings = { "cache.host": "from-file", "Cache:Key": "key of the file", UseTls: "False", Port: "7000" };
  const options = async (env: Environment, more: Record<string, string> = {}) =>
    (await read({ provider: { ...provider, ...more }, appSettings }, env)).store!.options;

  test("come from the file, over which the environment's go as in Azure App Service", async () => {
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
    // A plain variable that only happens to have such a name is not meant.
    assert.deepEqual(await options({ elsewhere: "from the environment" }, { host: "elsewhere" }), {
      host: "elsewhere",
      port: 7000,
      accessKey: "key of the file",
      ssl: false,
    });
  });

  test("take [NAME] and ${NAME} from the environment", async () => {
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

  test("give the secret: the app setting, the variable, or the key of the farm", async () => {
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

  test("that are named and missing are refused with their name", async () => {
    const path = webConfig({
      provider: { type: COSMOS, cosmosDBEndPointSettingKey: "where", databaseId: "d", containerId: "c" },
    });
    assert.deepEqual(await problems(path), [
      'sessionState/providers/add[it]/@cosmosDBEndPointSettingKey names the app setting "where", which is neither in <appSettings> nor in the environment (APPSETTING_where or where).',
      "sessionState/providers/add[it]/@cosmosDBAuthKeySettingKey is missing: expected the name of an app setting.",
    ]);
  });
});

describe("sessionState", () => {
  test("without a section, and with InProc, is this process; Off is no sessions", async () => {
    const bare = await fromWebConfig(file("<configuration/>"), { env: {} });
    assert.equal(bare.store!.inProcess, true);
    assert.equal((await read({ session: { mode: "InProc", timeout: "5" } })).sessions.idleTimeout, 300_000);
    const off = createSessions<{ coat: string }>(
      await fromWebConfig(webConfig({ session: { mode: "Off" } }), { env: {} }),
    );
    const session = await off.open("");
    assert.throws(() => session.set("coat", "x"), /turned off/);
  });

  test("a timeout beyond 30 days moves the absolute limit, which ASP.NET does not have", async () => {
    const { sessions } = await read({ session: { timeout: "525600" } });
    assert.deepEqual([sessions.idleTimeout, sessions.absoluteTimeout], [525_600 * 60_000, 525_600 * 60_000]);
    createSessions({ ...sessions, secret: SECRET });
  });

  test("the cookie is as httpCookies and sessionState say", async () => {
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

  test("SQLServer finds its database: ASPState, or with allowCustomSqlDatabase the one it names", async () => {
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

  test("a connection string that asks for Azure's own identity gets it", async () => {
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
    assert.match(await one(path), /a kind of Authentication that is not to be had/);
  });

  test("a connection string of StackExchange.Redis is read in all its parts", async () => {
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
        ssl: false,
        tls: { servername: "x.example.com" },
        database: 2,
        timeout: 2500,
        warnings: ["connectTimeout", "allowAdmin", "abortConnect"],
      },
    );
    assert.deepEqual(await options("a:1,b:2"), {
      cluster: { nodes: ["a:1", "b:2"] },
      ssl: false,
      timeout: 1000,
      warnings: ["2 servers"],
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

  test("throwOnError and the Redis provider's times have an effect", async () => {
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

  test("a new container of Cosmos DB gets its own throughput, or with 0 the database's", async () => {
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

describe("an attribute without effect", () => {
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
    ["sqlConnectionRetryInterval", { session: { sqlConnectionRetryInterval: "0" } }, /repeated/],
    ["regenerateExpiredSessionId", { session: { regenerateExpiredSessionId: "false" } }, /never taken up again/],
    ["sessionIDManagerType", { session: { sessionIDManagerType: "Shop.Ids" } }, /\.NET class/],
    ["lockAttributes", { session: { lockAttributes: "timeout" } }, /no sites below/],
    ["cookieSameSite", { session: { cookieSameSite: "-1" } }, /Lax here/],
    ["httpOnlyCookies", { cookies: { httpOnlyCookies: "false" } }, /scripts never see/],
    ["connectionMode", { provider: { ...cosmos, connectionMode: "Direct" } }, /gateway/],
    ["connectionProtocol", { provider: { ...cosmos, connectionProtocol: "Tcp" } }, /https/],
    ["partitionKey", { provider: { ...cosmos, partitionKey: "/p" } }, /by \/id/],
    ["partitionKeyPath", { provider: { ...cosmos, partitionKeyPath: "/p" } }, /by \/id/],
    [
      "partitionNumUsedByProvider",
      { provider: { ...cosmos, partitionNumUsedByProvider: "10" } },
      /partition of its own/,
    ],
    ["skipKeepAliveWhenUnused", { provider: { ...cosmos, skipKeepAliveWhenUnused: "true" } }, /keeps it alive/],
    [
      "connectionTimeoutInMilliseconds",
      { provider: { type: REDIS, connectionTimeoutInMilliseconds: "800" } },
      /5 seconds/,
    ],
    ["throwOnError", { provider: { type: REDIS, throwOnError: "false" } }, /throws instead of losing/],
    ["loggingClassName", { provider: { type: REDIS, loggingClassName: "Shop.Log" } }, /storeError/],
    ["loggingMethodName", { provider: { type: REDIS, loggingMethodName: "Writer" } }, /storeError/],
    ["redisSerializerType", { provider: { type: REDIS, redisSerializerType: "Shop.Json" } }, /JSON/],
    ["accessKey", { provider: { type: REDIS, accessKey: "k", connectionString: "a" } }, /connectionString says it/],
    ["maxRetryNumber", { provider: { ...sql, maxRetryNumber: "10" } }, /three times/],
    ["retryInterval", { provider: { ...sql, retryInterval: "1" } }, /three times/],
    ["repositoryType", { provider: { ...sql, repositoryType: "InMemoryDurable" } }, /ordinary table/],
    ["repositoryType", { provider: { ...sql, repositoryType: "FrameworkCompat" } }, /stay where they are/],
    ["useInMemoryTable", { provider: { ...sql, useInMemoryTable: "true" } }, /ordinary table/],
    ["description", { provider: { ...sql, description: "Sessions" } }, /nothing shows it/],
    [
      "applicationName",
      {
        provider: {
          type: "System.Web.Providers.DefaultSessionStateProvider, System.Web.Providers",
          connectionStringName: "db",
          applicationName: "/",
        },
      },
      /tables of their own/,
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

  test("is told under the file's name", async () => {
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

describe("what can't be had here", () => {
  const expectations: [string, Parts, RegExp][] = [
    [
      "a state server",
      { session: { mode: "StateServer" } },
      /sessionState\/@mode is "StateServer".*take Redis instead/,
    ],
    [
      "ids in addresses",
      { session: { cookieless: "UseUri" } },
      /@cookieless is "UseUri": an id in the address shows in histories/,
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
      /sessions would be in the wrong place/,
    ],
    [
      "a method of a .NET class",
      { provider: { type: REDIS, settingsClassName: "Shop.Settings", settingsMethodName: "Get" } },
      /@settingsClassName has no way to run/,
    ],
    [
      "somebody else's provider",
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
    ["an unknown attribute", { session: { timeOut: "20" } }, /@timeOut is unknown: did you mean "timeout"/],
    [
      "an unknown attribute of a provider",
      { provider: { type: REDIS, acessKey: "x" } },
      /@acessKey is unknown: did you mean "accessKey"/,
    ],
    [
      "an unknown attribute of cookies",
      { cookies: { requireSsl: "true" } },
      /httpCookies\/@requireSsl is unknown: did you mean "requireSSL"/,
    ],
    [
      "a timeout in another unit",
      { session: { timeout: "00:20:00" } },
      /@timeout is "00:20:00": expected a whole number from 1 to 525600/,
    ],
    ["no timeout at all", { session: { timeout: "0" } }, /@timeout is "0"/],
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
      "an endpoint that is none",
      {
        provider: {
          type: COSMOS,
          cosmosDBEndPointSettingKey: "k",
          cosmosDBAuthKeySettingKey: "k",
          databaseId: "d",
          containerId: "c",
        },
      },
      /expected the account's URL there/,
    ],
    [
      "no container",
      { provider: { type: COSMOS, cosmosDBEndPointSettingKey: "e", cosmosDBAuthKeySettingKey: "k", databaseId: "d" } },
      /@containerId is missing/,
    ],
    [
      "a provider that is not there",
      { session: { mode: "Custom", customProvider: "its" }, web: "" },
      /@customProvider is "its", which is none of the providers/,
    ],
    ["no provider chosen", { session: { mode: "Custom" } }, /@customProvider is missing/],
    [
      "a connection string that is not there",
      { provider: { type: SQL, connectionStringName: "bd" }, connectionStrings: { db: "x" } },
      /@connectionStringName is "bd".*did you mean "db"/,
    ],
    [
      "a connection string that is none",
      { provider: { type: SQL, connectionStringName: "db" }, connectionStrings: { db: 'Server="a' } },
      /no connection string of ADO\.NET/,
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
      /nothing behind password=/,
    ],
    [
      "a Windows account",
      {
        provider: { type: SQL, connectionStringName: "db" },
        connectionStrings: { db: "Server=a;Database=b;Integrated Security=SSPI" },
      },
      /asks for the Windows account/,
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
      "a database of one's own that is not allowed",
      { session: { mode: "SQLServer", sqlConnectionString: "server=a;database=b;user id=u;password=p" } },
      /allowCustomSqlDatabase="true"/,
    ],
    [
      "a prefix with braces",
      { provider: { type: REDIS, applicationName: "{shop}" } },
      /store "redis".*without \{ and \}/,
    ],
    ["a transformation", { session: { "xdt:Transform": "Insert" }, web: "" }, /of a transformation: apply it first/],
  ];
  for (const [what, parts, expected] of expectations) {
    test(`is refused: ${what}`, async () => {
      assert.match(await one(webConfig(parts), { e: "https://x", k: "a2V5" }), expected);
    });
  }

  test("is refused all at once, and no secret is shown", async () => {
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

test("the demo's files load", async () => {
  const demo = (name: string) => fileURLToPath(new URL(`../demo/${name}`, import.meta.url));
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

describe("a hostile or broken file", () => {
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
      "entities that grow",
      `<!DOCTYPE c [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><configuration x="&b;"/>`,
      /document type/,
    ],
    [
      "a document type hidden from a search",
      `<configuration x="<!--"><!DOCTYPE c [<!ENTITY x SYSTEM "file:///etc/passwd">]><appSettings><add key="a" value="&x;"/></appSettings><y z="-->"/></configuration>`,
      /entity "&x;"|document type|not well-formed|can't be taken/,
    ],
    [
      "an entity of its own",
      '<configuration><appSettings><add key="a" value="&secret;"/></appSettings></configuration>',
      /the entity "&secret;"/,
    ],
    [
      "an ampersand that is none",
      '<configuration><appSettings><add key="a" value="b&c=d"/></appSettings></configuration>',
      /write &amp;/,
    ],
    ["tags that don't match", `<configuration>${session}`, /not well-formed XML, at line 1/],
    ["an attribute given twice", '<configuration a="1" a="2"/>', /not well-formed XML.*repeated/],
    ["two roots", "<configuration/><configuration/>", /not well-formed|exactly one/],
    ["nothing", "", /not well-formed/],
    ["no XML at all", '{"mode":"redis"}', /not well-formed/],
    ["another root", "<sessionState/>", /its root is <sessionState>/],
    ["names that reach prototypes", '<configuration><appSettings __proto__="x"/></configuration>', /can't be taken/],
    [
      "an element that reaches prototypes",
      "<configuration><__proto__><polluted/></__proto__></configuration>",
      /can't be taken/,
    ],
    ["a section given twice", `<configuration>${session}${session}</configuration>`, /sessionState is there twice/],
    ["bytes that are no text", Buffer.from([0x3c, 0xff, 0xff, 0x3e]), /not UTF-8/],
  ];
  for (const [what, content, expected] of expectations) {
    test(`is refused: ${what}`, async () => {
      const message = await one(file(content));
      assert.match(message, expected);
      assert.equal(message.includes("root:"), false);
    });
  }

  test("is refused when it is not there", async () => {
    assert.match(await one(join(folder, "no-such.config")), /no-such\.config can't be read/);
  });

  test("but XML's own entities, comments, other sections and Windows' encodings are read", async () => {
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
});
