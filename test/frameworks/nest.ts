// NestJS: the example, the adapters' suite, and what is special about modules and guards, on Express and on Fastify.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { installPackages } from "../../scripts/examples.ts";
import { Browser } from "../adapters/browser.ts";
import { adapterSuite } from "../adapters/suite.ts";
import { type RedisServer, startRedis } from "../servers/redis.ts";
import { placeSuite, startExample } from "./install.ts";
import { exampleTests } from "./shop.ts";

const secret = "a secret for the tests of examples";
const example = exampleTests("nest", (folder) => {
  placeSuite(folder, "src/suite-app.ts");
  const path = join(folder, "package.json");
  const manifest = JSON.parse(readFileSync(path, "utf8"));
  manifest.dependencies["@nestjs/platform-fastify"] = "12.5.0";
  writeFileSync(path, JSON.stringify(manifest));
  installPackages(folder, process.env.COATCHECK_TARBALL!);
});
let redis: RedisServer;
before(async () => {
  redis = await startRedis();
});
after(() => redis.stop());

for (const platform of ["express", "fastify"]) {
  const start = (env: Record<string, string> = {}) =>
    startExample(example.folder(), { APPLICATION: "suite", PLATFORM: platform, SESSION_SECRET: secret, ...env });

  for (const store of ["memory", "redis"]) {
    adapterSuite(`nest on ${platform} with ${store}`, async () => {
      const app = await start(store === "redis" ? { REDIS_URL: redis.url } : {});
      return { url: `${app.url}/suite`, close: () => app.stop() };
    });
  }

  describe(`what is special about Nest, on ${platform}`, () => {
    let app: Awaited<ReturnType<typeof startExample>>;
    before(async () => {
      app = await start();
    });
    after(() => app.stop());

    async function loggedIn(): Promise<Browser> {
      const browser = new Browser(app.url);
      await browser.get("/suite/login");
      return browser;
    }

    test("guards see the session, and what they change is saved even if they refuse", async () => {
      const browser = new Browser(app.url);
      assert.equal((await browser.get("/mind/guarded")).status, 403);
      await browser.get("/suite/login");
      assert.equal(await browser.text("/mind/guarded"), "2");
    });

    test("middleware sees the session on Express, and not Node's own request on Fastify", async () => {
      const { headers } = await new Browser(app.url).get("/mind/middleware");
      assert.equal(headers.get("x-middleware-sees"), String(platform === "express"));
    });

    test("a decorator of the application gives the second session", async () => {
      const browser = await loggedIn();
      assert.equal(await browser.text("/mind/admin"), "root");
      assert.equal(await browser.text("/suite/who-are-both"), "ann and root");
    });

    test("sessionMode() changes the mode of a handler", async () => {
      const browser = await loggedIn();
      await Promise.all(Array.from({ length: 10 }, () => browser.text("/mind/alone")));
      assert.equal(await browser.text("/suite/n"), "10");
      assert.equal((await browser.get("/mind/looking")).status, 500);
      assert.equal(await browser.text("/suite/n"), "10");
    });

    test("an exclusive session is free after a handler that throws", async () => {
      const browser = await loggedIn();
      assert.equal((await browser.get("/mind/alone-and-throw")).status, 500);
      assert.equal(await browser.text("/mind/alone"), "added");
      assert.equal(await browser.text("/suite/n"), "1");
    });

    test("exceptions below 500 save, those from 500 do not", async () => {
      const browser = await loggedIn();
      assert.equal((await browser.get("/mind/missing")).status, 404);
      assert.equal(await browser.text("/suite/n"), "404");
      assert.equal((await browser.get("/mind/teapot")).status, 502);
      assert.equal(await browser.text("/suite/n"), "404");
    });

    test("a redirect by decorator is committed first", async () => {
      const browser = new Browser(app.url);
      assert.equal((await browser.get("/mind/away")).status, 302);
      assert.equal(await browser.text("/suite/n"), "302");
    });

    test("server-sent events begin after the commit", async () => {
      const browser = new Browser(app.url);
      const answer = await browser.get("/mind/events");
      assert.equal(answer.setCookies.length, 1);
      assert.match(answer.headers.get("vary") ?? "", /cookie/i);
      assert.match(answer.headers.get("cache-control") ?? "", /no-store/);
      assert.match(await answer.text(), /first.*second/s);
      assert.equal(await browser.text("/suite/n"), "200");
    });

    test("server-sent events whose commit fails do not begin", async () => {
      const answer = await new Browser(app.url).get("/down/events");
      assert.equal(answer.status, 503);
      assert.doesNotMatch(await answer.text(), /first|ECONNREFUSED|coatcheck/);
    });

    test("a path without a handler sets no cookie", async () => {
      const answer = await (await loggedIn()).get("/nothing/here");
      assert.equal(answer.status, 404);
      assert.deepEqual(answer.setCookies, []);
    });

    for (const [when, path] of Object.entries({ opening: "commit", committing: "commit", "a handler": "handler" })) {
      test(`a store that is down in ${when} gives 503, and shows nothing of it`, async () => {
        const answer = await (when === "opening" ? await loggedIn() : new Browser(app.url)).get(`/down/${path}`);
        assert.equal(answer.status, 503);
        const text = await answer.text();
        assert.match(text, /"statusCode":503/);
        assert.match(text, /Service Unavailable/);
        assert.doesNotMatch(text, /ECONNREFUSED|10\.0\.0\.7|coatcheck/);
      });
    }
  });
}
