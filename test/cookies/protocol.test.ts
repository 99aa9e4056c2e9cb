// How a request came, over http or https, and the warnings of cookies that do not fit it.

import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import { after, afterEach, before, describe, test } from "node:test";
import express from "express";
import fastify from "fastify";
import { session as onExpress } from "../../src/adapters/express.ts";
import { session as onFastify } from "../../src/adapters/fastify.ts";
import { isSecure } from "../../src/cookies/request-source.ts";
import type { CookieOptions } from "../../src/cookies/session-cookie.ts";
import { createSessions, type Session } from "../../src/index.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { listen } from "../adapters/apps.ts";
import { SECRET } from "../support/stores.ts";

/** A request of Node's, as far as it matters here. */
function message(headers: Record<string, string>, encrypted = false): Pick<IncomingMessage, "headers" | "socket"> {
  return { headers, socket: { encrypted } as never };
}

describe("a request came over https if", () => {
  const yes: Record<string, string>[] = [
    { "x-forwarded-proto": "https" },
    { "x-forwarded-proto": "HTTPS, http" },
    { "x-forwarded-proto": " Https" },
    { "x-forwarded-proto": "wss" },
    { forwarded: "proto=https" },
    { forwarded: 'for="[2001:db8::1]:80";Proto="HTTPS";by=10.0.0.1, proto=http' },
    { forwarded: "for=10.0.0.1; proto=https ;host=a" },
    { "x-forwarded-ssl": "on" },
    { "x-forwarded-ssl": "On" },
    { "x-arr-ssl": "2048|256|C=US, O=Microsoft|CN=shop.example" },
  ];
  const no: Record<string, string>[] = [
    {},
    { "x-forwarded-proto": "http, https" },
    { "x-forwarded-proto": "httpsx" },
    { "x-forwarded-proto": "" },
    { forwarded: "proto=http, proto=https" },
    { forwarded: "for=x;xproto=https" },
    { forwarded: "x-proto=https" },
    { forwarded: 'host="a;proto=https"' },
    { forwarded: 'for="unclosed;proto=https' },
    { "x-forwarded-ssl": "off" },
    { "x-arr-ssl": "" },
  ];
  for (const headers of yes) {
    test(JSON.stringify(headers), () => {
      assert.equal(isSecure(message(headers)), true);
      assert.equal(isSecure(new Request("http://shop.example/", { headers })), true);
    });
  }
  test("its own connection is encrypted", () => {
    assert.equal(isSecure(message({}, true)), true);
    assert.equal(isSecure(new Request("https://shop.example/")), true);
  });
  for (const headers of no) {
    test(`not: ${JSON.stringify(headers)}`, () => {
      assert.equal(isSecure(message(headers)), false);
      assert.equal(isSecure(new Request("http://shop.example/", { headers })), false);
    });
  }

  test("a long header takes no long time", () => {
    for (const part of ["a", '"', ";", "proto=", '"a"', "=;"]) isSecure(message({ forwarded: part.repeat(20_000) }));
  });
});

describe('the cookie of secure "auto" follows the framework, where it is told which proxies to trust', () => {
  const sessions = createSessions<{ n: number }>({ store: memory(), secret: SECRET, cookie: { secure: "auto" } });
  after(() => sessions.close());
  const headers = { "X-Forwarded-Proto": "https" };

  async function cookieOf(url: string, init: RequestInit = {}): Promise<string> {
    return (await fetch(url, init)).headers.getSetCookie()[0]!;
  }

  for (const [trust, secure] of [
    ["loopback", true],
    ["10.0.0.0/8", false],
    [undefined, true],
  ] as const) {
    test(`Express, trust proxy ${trust}: ${secure ? "https" : "http"}`, async () => {
      const app = express();
      if (trust !== undefined) app.set("trust proxy", trust);
      app.use(onExpress(sessions));
      app.use((req, res) => {
        (req.session as unknown as Session<{ n: number }>).data.n = 1;
        res.end();
      });
      const server = await listen(createServer(app as unknown as RequestListener));
      assert.equal((await cookieOf(server.url, { headers })).startsWith("__Host-sid="), secure);
      assert.match(await cookieOf(server.url), /^sid=/);
      await server.close();
    });

    test(`Fastify, trustProxy ${trust}: ${secure ? "https" : "http"}`, async () => {
      const app = fastify(trust === undefined ? {} : { trustProxy: trust });
      await app.register(onFastify(sessions));
      app.get("/", async (request) => {
        (request.session as unknown as Session<{ n: number }>).data.n = 1;
        return "";
      });
      const url = await app.listen({ host: "127.0.0.1", port: 0 });
      assert.equal((await cookieOf(url, { headers })).startsWith("__Host-sid="), secure);
      assert.match(await cookieOf(url), /^sid=/);
      await app.close();
    });
  }
});

describe("a warning comes once if", () => {
  let warnings: { code?: string; message: string }[] = [];
  const collect = (warning: Error) => void warnings.push(warning);
  before(() => void process.on("warning", collect));
  after(() => void process.off("warning", collect));
  afterEach(() => {
    warnings = [];
  });

  /** The codes of the warnings of new sessions that these requests begin. */
  async function codesOf(
    cookie: CookieOptions,
    ...requests: Record<string, string>[]
  ): Promise<(string | undefined)[]> {
    const sessions = createSessions<{ n: number }>({ store: memory(), secret: SECRET, cookie });
    for (const headers of requests) {
      const session = await sessions.open(message(headers));
      session.data.n = 1;
      await session.commit();
    }
    await sessions.close();
    await new Promise(setImmediate);
    return warnings.map(({ code }) => code);
  }
  const LOST = "COATCHECK_COOKIE_LOST";
  const NOT_SECURE = "COATCHECK_COOKIE_NOT_SECURE";
  const safari = "Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15";
  const chrome = "Mozilla/5.0 (X11) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36";

  test("a Secure ticket goes out over plain http to any host but the loopback", async () => {
    assert.deepEqual(await codesOf({}, { host: "web:3000" }, { host: "192.168.1.7" }), [LOST]);
    assert.match(warnings[0]!.message, /"web:3000".*X-Forwarded-Proto.*cookie: \{ secure: "auto" \}/);
  });

  test("or to Safari on localhost", async () => {
    assert.deepEqual(await codesOf({}, { host: "localhost:3000", "user-agent": safari }), [LOST]);
  });

  test("a ticket without Secure goes out although the browser is on https", async () => {
    const https = [{ "x-forwarded-proto": "https" }, { "sec-fetch-site": "none" }, { origin: "https://shop.example" }];
    for (const headers of https) {
      assert.deepEqual(await codesOf({ secure: false }, { host: "shop.example", ...headers }, { host: "shop.example", ...headers }), [NOT_SECURE]); // biome-ignore format: one line
      warnings = [];
    }
    assert.deepEqual(await codesOf({ secure: "auto" }, { host: "shop.example", "sec-fetch-site": "same-origin" }), [NOT_SECURE]); // biome-ignore format: one line
    assert.match(warnings[0]!.message, /without Secure.*trust proxy/);
  });

  test("and not otherwise", async () => {
    for (const host of ["localhost", "localhost:3000", "shop.localhost", "127.0.0.1:80", "[::1]:3000"]) {
      assert.deepEqual(await codesOf({}, { host, "user-agent": chrome }), []);
      assert.deepEqual(await codesOf({ secure: "auto" }, { host, "sec-fetch-site": "none" }), []);
    }
    assert.deepEqual(await codesOf({}, { host: "shop.example", "x-forwarded-proto": "https" }), []);
    assert.deepEqual(await codesOf({}, { host: "shop.example", "sec-fetch-site": "none" }), []); // a proxy that does not say it
    assert.deepEqual(await codesOf({}, {}), []); // nobody knows to which host
    assert.deepEqual(await codesOf({ secure: "auto" }, { host: "web:3000" }), []);
  });
});
