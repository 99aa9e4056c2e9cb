// fromWebConfig with what teams have beside a web.config: transformations, builders of the environment, other spellings.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { ConfigError, fromWebConfig } from "../../src/config/index.ts";
import { readWebConfig, type Transforms } from "../../src/config/web/read.ts";
import { coatcheckHere } from "../cli/cli.ts";
import { tempDir } from "../servers/process.ts";
import { SECRET } from "../support/stores.ts";

const REDIS = "Microsoft.Web.Redis.RedisSessionStateProvider";
const XDT = 'xmlns:xdt="http://schemas.microsoft.com/XML-Document-Transform"';

/** A site as Visual Studio makes it, with settings for the developer's machine. */
const WEB_CONFIG = `<?xml version="1.0" encoding="utf-8"?>
<!-- For more information on how to configure your ASP.NET application, please visit … -->
<configuration>
  <appSettings>
    <add key="coatcheck:secret" value="${SECRET}"/>
    <add key="webpages:Version" value="3.0.0.0"/>
  </appSettings>
  <connectionStrings>
    <add name="Sessions" connectionString="localhost:6379,ssl=False" />
    <add name="Other" connectionString="localhost:6380,ssl=False" providerName="x" />
  </connectionStrings>
  <system.web>
    <compilation debug="true" targetFramework="4.8" />
    <httpCookies httpOnlyCookies="true" requireSSL="false" />
    <sessionState mode="Custom" customProvider="dev" timeout="20" cookieName="dev" compressionEnabled="true">
      <providers>
        <add name="dev" type="${REDIS}" connectionString="Sessions" databaseId="3" />
      </providers>
    </sessionState>
  </system.web>
  <system.webServer><modules><remove name="Session"/></modules></system.webServer>
</configuration>`;

function site(files: Record<string, string>, base = WEB_CONFIG): string {
  const folder = tempDir("web-config");
  for (const [file, text] of Object.entries({ "Web.config": base, ...files })) {
    mkdirSync(join(folder, file, ".."), { recursive: true });
    writeFileSync(join(folder, file), text);
  }
  return join(folder, "Web.config");
}

const transformation = (content: string) => `<?xml version="1.0"?><configuration ${XDT}>${content}</configuration>`;

/** What the web.config says after a transformation with this content. */
function transformed(content: string, base?: string) {
  return readWebConfig(site({ "Web.Release.config": transformation(content) }, base), {}, "Web.Release.config");
}

async function problemsOf(content: string): Promise<readonly string[]> {
  try {
    await transformed(content);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.problems;
  }
  assert.fail("the transformation was accepted");
}

describe("a transformation", () => {
  test("of a release: attributes, connection strings, a provider, and what is none of ours", async () => {
    const { store, sessions, warnings } = await transformed(`
      <appSettings><add key="coatcheck:secret" value="another secret that is long enough, 42" xdt:Transform="SetAttributes" xdt:Locator="Match(key)"/></appSettings>
      <connectionStrings>
        <add name="Sessions" connectionString="cache.example.com:6380,ssl=True" xdt:Transform="SetAttributes" xdt:Locator="Match(name)"/>
      </connectionStrings>
      <system.web>
        <compilation xdt:Transform="RemoveAttributes(debug)" />
        <httpCookies requireSSL="true" xdt:Transform="SetAttributes(requireSSL)" httpOnlyCookies="false" />
        <sessionState timeout="60" xdt:Transform="SetAttributes">
          <providers>
            <add name="dev" databaseId="4" xdt:Transform="SetAttributes(databaseId)" xdt:Locator="Condition(@name='dev' and @databaseId='3')"/>
          </providers>
        </sessionState>
        <customErrors mode="On" xdt:Transform="Replace"/>
      </system.web>
      <system.webServer><rewrite xdt:Transform="InsertBefore(/configuration/system.webServer/modules)"/></system.webServer>`);
    assert.deepEqual(store, {
      type: "redis",
      options: { host: "cache.example.com", port: 6380, ssl: true, database: 4 },
      path: "sessionState",
    });
    assert.equal(sessions.idleTimeout, 60 * 60_000);
    assert.equal(sessions.secret, "another secret that is long enough, 42");
    assert.deepEqual(sessions.cookie, { secure: true, name: "dev" });
    assert.deepEqual(warnings, []);
  });

  const cases: [what: string, content: string, expected: object][] = [
    [
      "Replace takes the first element, with all that is in it",
      '<system.web><sessionState mode="Off" xdt:Transform="Replace"/></system.web>',
      { store: undefined, idleTimeout: 20 * 60_000 },
    ],
    [
      "RemoveAttributes",
      '<system.web><sessionState xdt:Transform="RemoveAttributes(compressionEnabled, cookieName)"/></system.web>',
      { compress: undefined, cookieName: undefined },
    ],
    [
      "Remove and Insert",
      `<system.web><sessionState xdt:Transform="Remove"/><sessionState mode="InProc" timeout="5" xdt:Transform="Insert"/></system.web>`,
      { store: "memory", idleTimeout: 5 * 60_000 },
    ],
    [
      "InsertIfMissing, where it is there",
      '<system.web><sessionState mode="InProc" timeout="5" xdt:Transform="InsertIfMissing"/></system.web>',
      { store: "redis", idleTimeout: 20 * 60_000 },
    ],
    [
      "RemoveAll, and a provider of another name",
      `<system.web><sessionState customProvider="live" xdt:Transform="SetAttributes(customProvider)"><providers>
        <add xdt:Transform="RemoveAll"/><add name="live" type="${REDIS}" host="b" ssl="false" xdt:Transform="Insert"/>
      </providers></sessionState></system.web>`,
      { store: "redis", options: { host: "b", ssl: false } },
    ],
    [
      'a Condition with "or", and a quoted word in it',
      `<connectionStrings><add connectionString="c:1,ssl=False" xdt:Transform="SetAttributes"
        xdt:Locator="Condition(@name='x or y' or @name=&quot;Sessions&quot;)"/></connectionStrings>`,
      { options: { host: "c", port: 1, ssl: false, database: 3 } },
    ],
  ];
  for (const [what, content, expected] of cases) {
    test(what, async () => {
      const { store, sessions } = await transformed(content);
      const { cookie, ...rest } = sessions;
      const found = { store: store?.type, options: store?.options, cookieName: cookie?.name, ...rest };
      for (const [name, value] of Object.entries(expected)) {
        assert.deepEqual((found as Record<string, unknown>)[name], value, name);
      }
    });
  }

  test("RemoveAll leaves none of them", async () => {
    const provider = (name: string) => `<add name="${name}" type="${REDIS}" host="a" ssl="false"/>`;
    const base = WEB_CONFIG.replace("<providers>", `<providers>${provider("one")}`);
    const remove = `<system.web><sessionState customProvider="one" xdt:Transform="SetAttributes(customProvider)"><providers>
      <add xdt:Transform="RemoveAll"/></providers></sessionState></system.web>`;
    assert.equal(
      (await readWebConfig(site({}, base.replace('customProvider="dev"', 'customProvider="one"')), {})).store?.type,
      "redis",
    );
    await assert.rejects(transformed(remove, base), /customProvider is "one"|customProvider/);
  });

  test("is only as large as the prefix of its namespace", async () => {
    const text = `<configuration xmlns:t="http://schemas.microsoft.com/XML-Document-Transform">
      <system.web><sessionState timeout="7" t:Transform="SetAttributes"/></system.web></configuration>`;
    const path = site({ "a.config": text });
    assert.equal((await readWebConfig(path, {}, "a.config")).sessions.idleTimeout, 7 * 60_000);
  });

  test("several are applied in their order, by paths or URLs", async () => {
    const timeout = (minutes: number) =>
      transformation(`<system.web><sessionState timeout="${minutes}" xdt:Transform="SetAttributes"/></system.web>`);
    const path = site({ "Web.Release.config": timeout(1), "Web.Live.config": timeout(2) });
    const release = pathToFileURL(join(path, "../Web.Release.config"));
    const all: [Transforms, number][] = [
      [["Web.Release.config", "Web.Live.config"], 2],
      [["Web.Live.config", release], 1],
    ];
    for (const [transform, minutes] of all) {
      const { idleTimeout, store } = await fromWebConfig(path, { env: {}, transform, onWarning() {} });
      await store!.close();
      assert.equal(idleTimeout, minutes * 60_000);
    }
  });

  test("of a <location> for the whole site", async () => {
    const base = WEB_CONFIG.replace(
      "<system.web>",
      '<location path="." inheritInChildApplications="false"><system.web>',
    ).replace("</system.web>", "</system.web></location>");
    const { sessions } = await transformed(
      '<location path="."><system.web><sessionState timeout="9" xdt:Transform="SetAttributes"/></system.web></location>',
      base,
    );
    assert.equal(sessions.idleTimeout, 9 * 60_000);
  });

  test("that finds nothing gets a warning", async () => {
    const { warnings } = await transformed(
      '<connectionStrings><add name="None" xdt:Transform="Remove" xdt:Locator="Match(name)"/></connectionStrings>',
    );
    assert.deepEqual(warnings, [
      "Web.Release.config: connectionStrings/add/@xdt:Transform has no effect: the file has no such element.",
    ]);
  });

  const refusals: [what: string, content: string, expected: RegExp][] = [
    [
      "InsertBefore",
      '<system.web><sessionState xdt:Transform="InsertBefore(/configuration)"/></system.web>',
      /^Web\.Release\.config: system\.web\/sessionState\/@xdt:Transform is "InsertBefore\(.*expected Replace, .*msbuild/,
    ],
    ["a change of one's own", '<appSettings xdt:Transform="Merge"/>', /appSettings\/@xdt:Transform is "Merge"/],
    [
      "XPath",
      '<system.web><sessionState xdt:Locator="XPath(//sessionState)" xdt:Transform="Remove"/></system.web>',
      /sessionState\/@xdt:Locator is "XPath\(.*expected Match/,
    ],
    [
      "a Condition of another form",
      `<connectionStrings><add xdt:Locator="Condition(starts-with(@name, 'S'))" xdt:Transform="Remove"/></connectionStrings>`,
      /connectionStrings\/add\/@xdt:Locator is .*or Condition\(…\) of the form/,
    ],
    [
      "Match of an attribute that is not there",
      '<connectionStrings><add xdt:Locator="Match(name)" xdt:Transform="Remove"/></connectionStrings>',
      /connectionStrings\/add\/@xdt:Locator is "Match\(name\)"/,
    ],
    ["the whole of system.web", '<system.web xdt:Transform="Nothing"/>', /system\.web\/@xdt:Transform is "Nothing"/],
  ];
  for (const [what, content, expected] of refusals) {
    test(`is refused by name: ${what}`, async () => {
      const [problem, ...more] = await problemsOf(content);
      assert.deepEqual(more, []);
      assert.match(problem!, expected);
    });
  }

  test("is refused if it is missing, or no configuration", async () => {
    const path = site({ "other.config": "<appSettings/>" });
    const read = (transform: string) => fromWebConfig(path, { env: {}, transform });
    await assert.rejects(read("missing.config"), /missing\.config: transform: .* can't be read/);
    await assert.rejects(read("other.config"), /other\.config: its root is <appSettings>: expected <configuration>/);
  });

  test("import writes what it gives", async () => {
    const path = site({
      "Web.Release.config": transformation(
        '<system.web><sessionState timeout="60" xdt:Transform="SetAttributes"/></system.web>',
      ),
    });
    const out = join(path, "../session.json");
    const args = ["import", path, "--out", out, "--transform", "Web.Release.config"];
    const { code, stderr } = await coatcheckHere(args);
    assert.equal(code, 0, stderr);
    const { mode, timeout } = JSON.parse(readFileSync(out, "utf8"));
    assert.deepEqual({ mode, timeout }, { mode: "redis", timeout: 60 });
  });
});

describe("configBuilders", () => {
  const withBuilder = (builder: string, section = '<appSettings configBuilders="Env">') =>
    site(
      {},
      WEB_CONFIG.replace(
        "<appSettings>",
        `<configBuilders><builders><add name="Env" type="Microsoft.Configuration.ConfigurationBuilders.EnvironmentConfigBuilder, X" ${builder}/></builders></configBuilders>${section}`,
      ),
    );
  const secret = "of the environment, and long enough";
  const cases: [builder: string, env: Record<string, string>][] = [
    ["", { coatcheck__secret: secret }],
    ['mode="Strict"', { "COATCHECK:SECRET": secret }],
    ['prefix="SHOP_" stripPrefix="true"', { "shop_coatcheck:secret": secret, "coatcheck:other": "x" }],
    ['mode="Greedy" prefix="SHOP_" stripPrefix="true"', { "SHOP_coatcheck:secret": secret }],
  ];
  for (const [builder, env] of cases) {
    test(`of the environment: ${builder}`, async () => {
      assert.equal((await readWebConfig(withBuilder(builder), env)).sessions.secret, secret);
    });
  }

  test("with a prefix touch nothing else, and are off where they say so", async () => {
    for (const builder of ['prefix="SHOP_"', 'prefix="SHOP_" stripPrefix="true"', 'enabled="false"']) {
      const { sessions } = await readWebConfig(withBuilder(builder), { coatcheck__secret: secret });
      assert.equal(sessions.secret, SECRET);
    }
  });

  test("fill in tokens of connection strings, and leave what no variable has", async () => {
    const path = withBuilder('mode="Token" prefix="SHOP_" stripPrefix="true"', "<appSettings>");
    const text = readFileSync(path, "utf8")
      .replace("<connectionStrings>", '<connectionStrings configBuilders="Env">')
      // biome-ignore lint/suspicious/noTemplateCurlyInString: a token looks like this
      .replace("localhost:6379", "${HOST}:6379,password=a${HOME_OF_NOBODY}b");
    writeFileSync(path, text);
    const { store } = await readWebConfig(path, { SHOP_HOST: "cache" });
    const { host, accessKey } = store!.options as { host: string; accessKey: string };
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a token looks like this
    assert.deepEqual([host, accessKey], ["cache", "a${HOME_OF_NOBODY}b"]);
  });

  test("of another kind get a warning that names what to set; wrong ones are refused", async () => {
    const path = withBuilder("");
    const vault = readFileSync(path, "utf8").replace(/EnvironmentConfigBuilder/, "AzureKeyVaultConfigBuilder");
    writeFileSync(path, vault);
    const { warnings } = await readWebConfig(path, {});
    assert.match(warnings.join(), /"Env": AzureKeyVaultConfigBuilder can't run here.*APPSETTING_<key>/);
    writeFileSync(path, vault.replace('configBuilders="Env"', 'configBuilders="Enw"'));
    await assert.rejects(readWebConfig(path, {}), /appSettings\/@configBuilders is "Enw": did you mean "env"/i);
    await assert.rejects(readWebConfig(withBuilder('mode="Gredy"'), {}), /add\[Env\]\/@mode is "Gredy"/);
  });
});

describe("names in another case, which ASP.NET refuses, too", () => {
  const cases: [before: string, after: string, expected: RegExp][] = [
    ['timeout="20"', 'Timeout="20"', /sessionState\/@Timeout is unknown: .*write timeout/],
    ['requireSSL="false"', 'requireSsl="true"', /httpCookies\/@requireSsl is unknown: .*write requireSSL/],
    ['<add name="Sessions"', '<add Name="Sessions"', /connectionStrings\/add\/@Name is unknown: .*write name/],
    ["<httpCookies", "<httpcookies", /<httpcookies> is unknown: .*write <httpCookies>/],
    ["system.web>", "System.Web>", /<System\.Web> is unknown: .*write <system\.web>/],
    ["sessionState", "sessionstate", /<sessionstate> is unknown: .*write <sessionState>/],
  ];
  for (const [before, after, expected] of cases) {
    test(after, async () => {
      await assert.rejects(readWebConfig(site({}, WEB_CONFIG.replaceAll(before, after)), {}), expected);
    });
  }
});
