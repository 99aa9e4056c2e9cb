// The console in one process: who may see it, what it answers, and what it never shows.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text as readText } from "node:stream/consumers";
import { describe, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Request as ExpressRequest } from "express";
import express4 from "express4";
import { failover, partitioned } from "../../src/compose/index.ts";
import { createConsole } from "../../src/console/create-console.ts";
import { fetchHandler } from "../../src/console/fetch-handler.ts";
import { type ConsoleOptions, console as webConsole } from "../../src/console/index.ts";
import type { Found } from "../../src/console/protocol.ts";
import { createSessions, OptionError, StoreError } from "../../src/index.ts";
import { sealedCookie } from "../../src/stores/sealed-cookie/index.ts";
import { serverStores } from "../support/every-store.ts";
import { login } from "../support/login.ts";
import { type Data, setUp } from "../support/set-up.ts";
import { SECRET, watched } from "../support/stores.ts";
import { type Ask, at, SENT_BY_PAGE, send, Viewer } from "./viewer.ts";

const ORIGIN = "http://console.test";
const REQUEST = { url: `${ORIGIN}/nothing`, method: "GET" };
type FoundList = Extract<Found, { sessions: unknown }>;
type FoundOne = Extract<Found, { record: unknown }>;
const json = async (answer: Response) => [answer.status, await answer.json()];

/** A console that answers without a server. */
function start(
  t: TestContext,
  options: Partial<ConsoleOptions> = {},
  given: Partial<Parameters<typeof setUp>[0]> = {},
  store = watched(),
) {
  // biome-ignore format: one line
  const all = setUp(given, store);
  const web = webConsole(all.sessions, { authorize: () => true, ...options });
  t.after(() => all.sessions.close());
  const ask: Ask = (path, init) => web.fetch(new Request(`${ORIGIN}/admin/console/${path}`, init));
  return { ...all, web, ask };
}

/** The same behind node:http. */
async function serve(t: TestContext, handle: ReturnType<typeof webConsole>["node"], base = "/console/"): Promise<Ask> {
  const server = createServer((req, res) => void handle(req, res)).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return at(`http://127.0.0.1:${(server.address() as AddressInfo).port}${base}`);
}

function warnings(t: TestContext): string[] {
  const seen: string[] = [];
  t.mock.method(process, "emitWarning", (warning: unknown) => void seen.push(String(warning)));
  return seen;
}

describe("options", () => {
  const sessions = createSessions({ store: watched(), secret: SECRET, sweepInterval: false });

  test("there is no console without authorize", () => {
    assert.throws(() => webConsole(sessions, {} as ConsoleOptions), /option "authorize" is missing: give a function/);
    assert.throws(() => webConsole(sessions, { authorize: true as never }), /option "authorize" is true/);
    assert.throws(() => webConsole(sessions, undefined as never), OptionError);
  });

  test("misspelt options are refused", () => {
    assert.throws(() => webConsole(sessions, { authorise: () => true } as never), /did you mean "authorize"/);
    assert.throws(() => webConsole(sessions, { authorize: () => true, name: 7 as never }), /option "name" is 7/);
  });

  test("sessions of another copy of the package are refused", () => {
    assert.throws(() => webConsole({ ...sessions }, { authorize: () => true }), /two copies of coatcheck.*npm ls/);
  });
});

describe("authorize", () => {
  test("may be written for the requests of a framework, as its types allow", async (t) => {
    const { web } = start(t, {
      authorize: (request: Request, context: { role: string }) => request.url !== "" && context.role === "admin",
    });
    assert.equal((await web.fetch(new Request(`${ORIGIN}/nothing`), { role: "admin" })).status, 308);
    assert.equal((await web.fetch(new Request(`${ORIGIN}/nothing`), { role: "user" })).status, 403);
    const express = start(t, { authorize: (request: ExpressRequest) => request.get("x-role") === "admin" });
    assert.equal((await express.web.fetch({ ...REQUEST, get: () => "admin" } as never)).status, 308);
  });

  const REQUESTS: [string, RequestInit][] = [
    ["", {}],
    ["assets/index.js", {}],
    ["live", {}],
    ["find", { method: "POST" }],
    ["end", { method: "POST" }],
    ["nothing", {}],
    ["find", { method: "DELETE" }],
  ];

  test("is asked for each request, and gets the request and its context", async (t) => {
    const asked: unknown[] = [];
    const authorize = (request: unknown, context: unknown) => asked.push([request, context]) < 0;
    const { web } = start(t, { authorize });
    for (const [path, init] of REQUESTS) {
      const request = new Request(`${ORIGIN}/${path}`, init);
      const answer = await web.fetch(request, path);
      assert.equal(answer.status, 403, path);
      assert.deepEqual(asked.pop(), [request, path]);
      const isPage = path === "" || path === "nothing";
      assert.match(answer.headers.get("content-type")!, isPage ? /^text\/html/ : /^application\/json$/, path);
      assert.match(await answer.text(), /You may not see this console/);
    }
    assert.equal(asked.length, 0);
  });

  test("no is anything but true", async (t) => {
    for (const answer of [false, undefined, 1, "yes", Promise.resolve(undefined)]) {
      const { ask } = start(t, { authorize: () => answer as boolean });
      assert.equal((await ask("")).status, 403);
    }
  });

  test("a store that is down is a 503 that says so, and no warning", async (t) => {
    const seen = warnings(t);
    const { ask } = start(t, {
      authorize: () => Promise.reject(new StoreError("coatcheck: the store at db-7 is down")),
    });
    for (const [path, init] of REQUESTS) {
      const answer = await ask(path, init);
      const isPage = path === "" || path === "nothing";
      assert.equal(answer.status, 503, path);
      assert.match(answer.headers.get("content-type")!, isPage ? /^text\/html/ : /^application\/json$/, path);
      assert.match(
        await answer.text(),
        /^(?!.*db-7).*The store does not answer, so the permission could not be checked/s,
      );
    }
    assert.deepEqual(seen, []);
  });

  test("an error is a 500 without details, and a warning with them", async (t) => {
    const seen = warnings(t);
    const { ask } = start(t, { authorize: () => Promise.reject(new Error("no column named role")) });
    for (const [path, init] of REQUESTS) {
      const answer = await ask(path, init);
      assert.equal(answer.status, 500);
      assert.doesNotMatch(await answer.text(), /column/);
      assert.match(seen.pop()!, /authorize\(\) of the console failed: no column named role/);
    }
  });

  test("on node:http it gets the request of Node", async (t) => {
    let asked: { url?: string | undefined } | undefined;
    const authorize = (request: { url?: string | undefined }) => {
      asked = request;
      return true;
    };
    const { web } = start(t, { authorize });
    const ask = await serve(t, web.node);
    assert.equal((await ask("nothing?a=1")).status, 308);
    assert.equal(asked!.url, "/console/nothing?a=1");
  });

  test("an open stream is asked for again, and ends with the answer no", async (t) => {
    const { sessions } = setUp();
    let may = true;
    const core = createConsole(sessions, { authorize: () => may, name: "a", takesPart: true, askAgainAfter: 20 });
    t.after(() => sessions.close());
    const viewer = await Viewer.open((_, init) => fetchHandler(core)(new Request(`${ORIGIN}/live`, init)));
    await viewer.until("a state", () => true);
    await sleep(100);
    assert.equal(viewer.hasEnded, false);
    may = false;
    await viewer.end();
  });

  test("while the store is down an open stream goes on, and any other error of authorize ends it", async (t) => {
    const seen = warnings(t);
    const { sessions } = setUp();
    let error: Error | undefined;
    const authorize = () => {
      if (error !== undefined) throw error;
      return true;
    };
    const core = createConsole(sessions, { authorize, name: "a", takesPart: true, askAgainAfter: 20 });
    t.after(() => sessions.close());
    const viewer = await Viewer.open((_, init) => fetchHandler(core)(new Request(`${ORIGIN}/live`, init)));
    error = new StoreError("coatcheck: the store is down");
    const before = viewer.states.length;
    await viewer.until("more states", () => viewer.states.length > before + 1);
    assert.deepEqual(seen, []);
    error = new Error("out of order");
    await viewer.end();
    assert.match(seen[0]!, /authorize\(\) of the console failed: out of order/);
  });
});

describe("answers", () => {
  test("a request that has got its answer from elsewhere gets no other one", async (t) => {
    let response: ServerResponse | undefined;
    const { web } = start(t, {
      authorize() {
        response!.writeHead(302, { location: "/login" }).flushHeaders();
        return false;
      },
    });
    let handled: Promise<void> | undefined;
    const ask = await serve(t, (req, res) => {
      response = res;
      handled = web.node(req, res);
      return handled.catch(() => {});
    });
    const answer = await ask("");
    assert.equal(answer.status, 302);
    await handled;
    response!.end();
  });

  test("the mount without its slash leads to it, by a relative address", async (t) => {
    const { web } = start(t);
    for (const [path, location] of [
      ["/console", "./console/"],
      ["/admin/my%20console?theme=dark", "./my%20console/?theme=dark"],
      ["//evil.example", "./evil.example/"],
      ["/javascript:alert(1)", "./javascript:alert(1)/"],
    ] as const) {
      const answer = await web.fetch(new Request(ORIGIN + path));
      assert.deepEqual([answer.status, answer.headers.get("location")], [308, location]);
      assert.equal(new URL(location, ORIGIN + path).origin, ORIGIN);
    }
  });

  test("behind a mount that the framework takes off, the address is the whole one", async (t) => {
    const { web } = start(t);
    const ask = await serve(t, (req, res) => {
      const originalUrl = req.url;
      req.url = req.url!.replace(/^\/outer\/console/, "") || "/";
      return web.node(Object.assign(req, { originalUrl }), res);
    }, "/outer/"); // biome-ignore format: one line
    const answer = await ask("console");
    assert.deepEqual([answer.status, answer.headers.get("location")], [308, "./console/"]);
    assert.notEqual((await ask("console/")).status, 308);
  });

  test("what is not kept says so, and the page may load nothing from elsewhere", async (t) => {
    const { ask } = start(t);
    const page = await ask("");
    assert.equal(
      page.headers.get("content-security-policy"),
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    );
    const viewed = await ask("live");
    await viewed.body!.cancel();
    assert.equal(viewed.headers.get("content-type"), "text/event-stream; charset=utf-8");
    assert.equal(viewed.headers.get("x-accel-buffering"), "no");
    for (const answer of [page, viewed, await ask("assets/none.js"), await send(ask, "find", { owner: "ann" })]) {
      assert.match(answer.headers.get("cache-control")!, /^no-store/);
      assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
      assert.equal(answer.headers.get("referrer-policy"), "no-referrer");
    }
  });

  test("an address takes its own methods only", async (t) => {
    const { ask } = start(t);
    for (const [path, method, allow] of [
      ["find", "GET", "POST"],
      ["end", "PUT", "POST"],
      ["", "POST", "GET, HEAD"],
      ["live", "POST", "GET, HEAD"],
    ] as const) {
      const answer = await ask(path, { method });
      assert.deepEqual([answer.status, answer.headers.get("allow")], [405, allow]);
    }
  });

  test("a file is served from the folder of the page only", async (t) => {
    const ask = await serve(t, start(t).web.node);
    for (const path of [
      "assets/..%2f..%2fpackage.json",
      "assets/%2e%2e.js",
      "assets/.js",
      "assets/none.js",
      "assets/index.ts",
    ]) {
      const answer = await ask(path);
      assert.deepEqual(await json(answer), [404, { error: "There is no such file." }], path);
    }
  });

  test("HEAD has the headers alone, also of the stream", async (t) => {
    const { ask } = start(t);
    const overHttp = await serve(t, start(t).web.node);
    for (const asked of [ask, overHttp]) {
      const answer = await asked("live", { method: "HEAD" });
      assert.equal(answer.status, 200);
      assert.equal(await answer.text(), "");
    }
  });
});

describe("forged requests", () => {
  const body = JSON.stringify({ owner: "ann" });
  const without = (name: string) => ({ ...SENT_BY_PAGE, [name]: undefined });
  const REFUSED: [string, Record<string, string | undefined>][] = [
    ["a form", { ...SENT_BY_PAGE, "content-type": "application/x-www-form-urlencoded" }],
    ["plain text", { ...SENT_BY_PAGE, "content-type": "text/plain" }],
    ["another type that begins the same", { ...SENT_BY_PAGE, "content-type": "application/jsonp" }],
    ["no content type", without("content-type")],
    ["no header of the page", without("x-coatcheck-console")],
    ["another value of it", { ...SENT_BY_PAGE, "x-coatcheck-console": "0" }],
    ["another site", { ...SENT_BY_PAGE, "sec-fetch-site": "cross-site" }],
    ["a subdomain", { ...SENT_BY_PAGE, "sec-fetch-site": "same-site" }],
    ["no page", { ...SENT_BY_PAGE, "sec-fetch-site": "none" }],
    ["another site with the right origin", { ...SENT_BY_PAGE, "sec-fetch-site": "cross-site", origin: ORIGIN }],
    ["neither site nor origin", without("sec-fetch-site")],
    ["another origin", { ...without("sec-fetch-site"), origin: "http://evil.test" }],
    ["a hidden origin", { ...without("sec-fetch-site"), origin: "null" }],
  ];
  const given = (headers: Record<string, string | undefined>) =>
    Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined)) as Record<string, string>;

  for (const [what, headers] of REFUSED) {
    test(`${what} is refused, and nothing ends`, async (t) => {
      const { ask, sessions } = start(t);
      await login(sessions, "ann", {});
      for (const path of ["end", "find"]) {
        const answer = await ask(path, { method: "POST", body, headers: given(headers) });
        assert.equal(answer.status, 403);
        assert.match(((await answer.json()) as { error: string }).error, /^The request /);
      }
      assert.equal(await sessions.count(), 1);
    });
  }

  const origin = { ...without("sec-fetch-site"), origin: ORIGIN };
  const ALLOWED: [string, Record<string, string | undefined>][] = [
    ["the page", SENT_BY_PAGE],
    ["a page with a character set", { ...SENT_BY_PAGE, "content-type": "application/json; charset=utf-8" }],
    ["an older browser's page", { ...origin, host: "console.test" }],
    [
      "an older browser's page behind a proxy",
      { ...origin, host: "10.0.0.7:3000", "x-forwarded-host": "console.test" },
    ],
  ];
  for (const [what, headers] of ALLOWED) {
    test(`${what} is served`, async (t) => {
      const { web, sessions } = start(t);
      await login(sessions, "ann", {});
      // `Request` would take the header Host away.
      const request = { ...headersOf(headers), url: `http://10.0.0.7/end` };
      const answer = await web.fetch(request as never);
      assert.deepEqual(await json(answer), [200, { ended: 1 }]);
    });
  }

  function headersOf(headers: Record<string, string | undefined>) {
    const sent = new Request("http://10.0.0.7/end", { method: "POST", body });
    return {
      method: "POST",
      body: sent.body,
      bodyUsed: false,
      headers: { get: (name: string) => headers[name] ?? null },
    };
  }

  test("no other site is allowed to send by a preflight", async (t) => {
    const { ask } = start(t);
    const headers = { origin: "http://evil.test", "access-control-request-method": "POST" };
    const answer = await ask("end", { method: "OPTIONS", headers });
    assert.equal(answer.status, 405);
    assert.equal(answer.headers.get("access-control-allow-origin"), null);
  });
});

describe("the body", () => {
  test("has an owner or an id, in JSON of at most 4 KB", async (t) => {
    const { ask, web } = start(t);
    for (const ask_ of [ask, await serve(t, web.node)]) {
      for (const [body, status] of [
        ["", 400],
        ["{", 400],
        ["null", 400],
        ["[]", 400],
        ['"ann"', 400],
        ["{}", 400],
        ['{"owner":""}', 400],
        ['{"owner":7}', 400],
        ['{"id":"short"}', 400],
        ['{"id":"../../../etc/passwd-1234"}', 400],
        [`{"id":"${"A".repeat(24)}","owner":"ann"}`, 400],
        [`{"owner":"${"a".repeat(4_096)}"}`, 413],
        [`{"owner":"${"a".repeat(4_000)}"}`, 200],
        [`{"id":"${"A".repeat(24)}"}`, 200],
      ] as const) {
        const answer = await ask_("find", { method: "POST", headers: SENT_BY_PAGE, body });
        assert.equal(answer.status, status, body);
        assert.ok("error" in ((await answer.json()) as object) === status > 200, body);
      }
    }
  });

  test("may have been parsed before, and says what to do where nothing is left of it", async (t) => {
    const { web, sessions } = start(t);
    await login(sessions, "ann", {});
    const parsed = await serve(t, async (req, res) => {
      const body = JSON.parse(await readText(req));
      await web.node(Object.assign(req, { body }), res);
    });
    assert.equal(
      ((await (await send(parsed, "find", { owner: "ann" })).json()) as { sessions: [] }).sessions.length,
      1,
    );
    const eaten = await serve(t, async (req, res) => {
      await readText(req);
      await web.node(req, res);
    });
    assert.match(
      await (await send(eaten, "find", { owner: "ann" })).text(),
      /mount the console before the body parser/,
    );
    const read = new Request(`${ORIGIN}/find`, { method: "POST", body: "{}", headers: SENT_BY_PAGE });
    await read.text();
    assert.equal((await web.fetch(read)).status, 400);
  });

  test("is read where a body parser has passed it over, and left an empty object", async (t) => {
    const { web } = start(t);
    const app = express4().use(express4.urlencoded({ extended: false }), web.node);
    assert.deepEqual(await json(await send(await serve(t, app as never), "find", { owner: "ann" })), [200, { none: true }]); // biome-ignore format: one line
  });

  test("is taken to its end although it is too large, so that the connection stays", async (t) => {
    const { web } = start(t);
    let received: IncomingMessage | undefined;
    const ask = await serve(t, (req, res) => {
      received = req;
      return web.node(req, res);
    });
    assert.equal((await send(ask, "find", { owner: "a".repeat(1_000_000) })).status, 413);
    assert.equal(received!.complete, true);
  });
});

describe("sessions", () => {
  for (const [name, makeStore] of Object.entries(serverStores)) {
    test(`are found by their owner and by their id, and ended: ${name}`, async (t) => {
      const sessions = createSessions<Data>({ store: makeStore(), secret: SECRET, sweepInterval: false });
      t.after(() => sessions.close());
      const web = webConsole(sessions, { authorize: () => true });
      const ask: Ask = (path, init) => web.fetch(new Request(`${ORIGIN}/${path}`, init));
      const browsers = await Promise.all([1, 2, 3].map((n) => login(sessions, "ann", { cart: n, theme: "dark" })));
      await login(sessions, "bob", {});
      const { id } = await browsers[0]!.open("readonly");
      const owned = (await (await send(ask, "find", { owner: "ann" })).json()) as FoundList;
      assert.equal(owned.sessions.length, 3);
      assert.equal(owned.more, false);
      const found = (await (await send(ask, "find", { id })).json()) as FoundOne;
      assert.deepEqual(
        { ...found.record, createdAt: 0, lastSeenAt: 0, authenticatedAt: 0, expiresAt: 0, size: 0, stranger: 0 },
        { id, owner: "ann", keys: ["cart", "theme"], createdAt: 0, lastSeenAt: 0, authenticatedAt: 0, expiresAt: 0, size: 0, stranger: 0 }, // biome-ignore format: one line
      );
      assert.deepEqual(await json(await send(ask, "end", { id })), [200, { ended: 1 }]);
      assert.deepEqual(await json(await send(ask, "end", { id })), [200, { ended: 0 }]);
      assert.deepEqual(await json(await send(ask, "find", { id })), [200, { none: true }]);
      assert.equal((await browsers[0]!.open("readonly")).isNew, true);
      assert.deepEqual(await json(await send(ask, "end", { owner: "ann" })), [200, { ended: 2 }]);
      assert.deepEqual(await json(await send(ask, "find", { owner: "ann" })), [200, { none: true }]);
      assert.equal(await sessions.count(), 1);
    });
  }

  test("more than a hundred of one owner are not all shown", async (t) => {
    const { ask, sessions } = start(t);
    await Promise.all(Array.from({ length: 101 }, () => login(sessions, "ann", {})));
    const found = (await (await send(ask, "find", { owner: "ann" })).json()) as FoundList;
    assert.equal(found.sessions.length, 100);
    assert.equal(found.more, true);
  });

  test("a store without list says so, and finds by id", async (t) => {
    const { list: _, ...store } = watched();
    const { ask, sessions } = start(t, {}, {}, store as never);
    const { id } = await (await login(sessions, "ann", {})).open("readonly");
    assert.deepEqual(await json(await send(ask, "find", { owner: "ann" })), [501, { error: "This store can't list the sessions of an owner." }]); // biome-ignore format: one line
    assert.ok("record" in ((await (await send(ask, "find", { id })).json()) as object));
    const viewer = await Viewer.open(ask);
    const { store: shown, alive } = await viewer.until("the server", ({ servers }) => servers.length === 1);
    viewer.leave();
    assert.deepEqual([shown.canList, alive], [false, undefined]);
  });

  test("where the browser keeps them, none is found, and the server is shown", async (t) => {
    const sessions = createSessions<Data>({ store: sealedCookie(), secret: SECRET, sweepInterval: false });
    t.after(() => sessions.close());
    const web = webConsole(sessions, { authorize: () => true, name: "the one" });
    const ask: Ask = (path, init) => web.fetch(new Request(`${ORIGIN}/${path}`, init));
    assert.deepEqual(await json(await send(ask, "find", { id: "A".repeat(24) })), [200, { none: true }]);
    for (const path of ["find", "end"] as const) assert.equal((await send(ask, path, { owner: "ann" })).status, 501);
    assert.equal((await send(ask, "end", { id: "A".repeat(24) })).status, 501);
    const viewer = await Viewer.open(ask);
    const { servers, store } = await viewer.until("the server", () => true);
    viewer.leave();
    assert.deepEqual([servers.length, servers[0]!.name, store.status, store.canList], [1, "the one", "up", false]);
  });

  test("while the store is down the answer is a 503", async (t) => {
    const { ask, store, sessions } = start(t, {}, { storeTimeout: 200 });
    await login(sessions, "ann", {});
    store.before = () => {
      throw new Error("Failing row contains (a secret thing)");
    };
    for (const path of ["find", "end"] as const) {
      const answer = await send(ask, path, { owner: "ann" });
      assert.deepEqual(await json(answer), [503, { error: "The store does not answer. Try again." }]);
    }
  });
});

describe("nothing secret", () => {
  for (const encryption of ["server", "ticket", "off"] as const) {
    test(`no value and no ticket is in any answer: encryption "${encryption}"`, async (t) => {
      const seen = warnings(t);
      const { ask, web, browser, store } = start(t, {}, { encryption, storeTimeout: 200 });
      await browser.request((session) => {
        session.set("cart", "a-known-value");
        session.owner = "ann";
      });
      const ticket = /sid=([\w-]{40})/.exec(browser.cookie!)![1]!;
      const { id } = await browser.open("readonly");
      const viewer = await Viewer.open(ask);
      await viewer.until("the count", ({ alive }) => alive?.count === 1);
      const answers = [
        await ask(""),
        await ask("assets/a-known-value.js"),
        await ask("a-known-value".slice(0, 3)),
        await send(ask, "find", { owner: "ann" }),
        await send(ask, "find", { id }),
        await send(ask, "find", { id: ticket }),
        await send(ask, "find", { owner: ticket }),
        await web.fetch(new Request(`${ORIGIN}/find`, { method: "POST", headers: SENT_BY_PAGE, body: `{"${ticket}"` })),
      ];
      store.before = () => {
        throw new Error(`the database refused (a-known-value, ${ticket})`);
      };
      answers.push(await send(ask, "find", { id }), await send(ask, "end", { id }));
      await viewer.until("the outage", (state) => state.store.status === "down");
      store.before = undefined;
      await viewer.until("the recovery", (state) => state.store.status === "up");
      answers.push(await send(ask, "end", { owner: "ann" }));
      const texts = [viewer.text, ...(await Promise.all(answers.map((answer) => answer.text())))];
      viewer.leave();
      assert.match(texts.join(), new RegExp(id));
      for (const secret of ["a-known-value", ticket, SECRET]) {
        for (const form of [secret, Buffer.from(secret).toString("hex"), Buffer.from(secret).toString("base64")]) {
          for (const text of texts) assert.ok(!text.includes(form), `${form} in ${text}`);
        }
      }
      assert.deepEqual(seen, []);
    });
  }

  test("values that are not encrypted are not shown to be looked at, and sealed ones are", async (t) => {
    for (const [encryption, isShown] of [
      ["server", true],
      ["ticket", true],
      ["off", false],
    ] as const) {
      // biome-ignore format: one line
      const { ask, sessions } = start(t, {}, { encryption });
      const { id } = await (await login(sessions, "ann", { n: 1 })).open("readonly");
      const { record } = (await (await send(ask, "find", { id })).json()) as FoundOne;
      const { stranger, keys, owner } = record;
      assert.equal(stranger.key, id);
      assert.equal(stranger.owner?.length, 24);
      assert.equal(stranger.bytes !== undefined, isShown, encryption);
      assert.deepEqual([keys, owner], encryption === "ticket" ? [undefined, undefined] : [["n"], "ann"]);
    }
  });

  test("values from before encryption was turned on are not shown either", async (t) => {
    for (const encryption of ["server", "ticket"] as const) {
      const store = { ...watched(), close: async () => {} };
      const before = setUp({ encryption: "off" }, store);
      t.after(() => before.sessions.close());
      const { id } = await (await login(before.sessions, "ann", { card: "a-known-value" })).open("readonly");
      const { ask } = start(t, {}, { encryption }, store);
      const { record } = (await (await send(ask, "find", { id })).json()) as FoundOne;
      assert.match(Buffer.from(store.rows.get(id)!).toString("latin1"), /a-known-value/);
      assert.equal(record.stranger.bytes, undefined, encryption);
    }
  });
});

describe("the stream", () => {
  test("shows this server, the store and the sessions alive, with numbers that only grow", async (t) => {
    const { ask, sessions, browser } = start(t, { name: "web-1" });
    const viewer = await Viewer.open(ask);
    const first = await viewer.until("a state", () => true);
    const [server] = first.servers;
    assert.equal(first.servers.length, 1);
    assert.deepEqual([server!.name, server!.status, server!.storeUp], ["web-1", "up", true]);
    assert.equal(first.sender, server!.id);
    assert.equal(first.store.status, "up");
    await Promise.all([1, 2].map(() => login(sessions, "ann", {})));
    await browser.request((session) => session.set("n", 1));
    await browser.request((session) => session.destroy());
    await viewer.untilEqual("the counts", ({ servers: [one] }) => [one!.totals.started, one!.totals.ended.destroyed], [3, 1]); // biome-ignore format: one line
    await viewer.untilEqual("the sessions alive", ({ alive }) => alive?.count, 2);
    viewer.leave();
    const calls = viewer.states.map(({ servers: [one] }) => one!.totals.storeCalls);
    assert.deepEqual(
      calls,
      calls.toSorted((a, b) => a - b),
    );
    const { latency, storeCalls } = viewer.states.at(-1)!.servers[0]!.totals;
    assert.equal(
      latency.reduce((sum, count) => sum + count),
      storeCalls,
    );
  });

  test("says that a server reaches the store again, also if it began to report while the store was down", async (t) => {
    const { sessions, store } = setUp();
    t.after(() => sessions.close());
    let isDown = false;
    sessions.on("storeDown", () => (isDown = true));
    sessions.on("storeUp", () => (isDown = false));
    const askUntil = async (wanted: boolean) => {
      for (; isDown !== wanted; await sleep(5)) await sessions.health();
    };
    store.before = () => {
      throw new StoreError("coatcheck: the store is down");
    };
    await askUntil(true);
    const web = webConsole(sessions, { authorize: () => true });
    store.before = undefined;
    await askUntil(false);
    const viewer = await Viewer.open((_, init) => web.fetch(new Request(`${ORIGIN}/live`, init)));
    await viewer.untilEqual("the server", ({ store, servers: [one] }) => [store.status, one?.storeUp], ["up", true]);
    viewer.leave();
  });

  test("says that a store is down as long as one of its parts is", async (t) => {
    const [part, other] = [watched(), watched()];
    const sessions = createSessions<Data>({ store: partitioned([part, other]), secret: SECRET, sweepInterval: false }); // biome-ignore format: one line
    t.after(() => sessions.close());
    const web = webConsole(sessions, { authorize: () => true });
    const viewer = await Viewer.open((_, init) => web.fetch(new Request(`${ORIGIN}/live`, init)));
    await viewer.until("a state", () => true);
    part.before = () => {
      throw new StoreError("coatcheck: this part is down");
    };
    const { store } = await viewer.until("the outage", (state) => state.store.status === "down");
    const before = viewer.states.length;
    await viewer.until("more states", () => viewer.states.length > before + 3);
    const since = viewer.states.slice(before).map((state) => state.store.since);
    assert.deepEqual(new Set(since), new Set([store.since]));
    part.before = undefined;
    await viewer.until("the recovery", (state) => state.store.status === "up");
    viewer.leave();
  });

  test("does not say that a server reaches no store once the standby has taken over", async (t) => {
    const [primary, standby] = [watched(), watched()];
    const takeover = Promise.withResolvers<void>();
    const store = failover({ primary, standby, after: "100ms", onTakeover: takeover.resolve });
    const sessions = createSessions<Data>({ store, secret: SECRET, sweepInterval: false });
    t.after(() => sessions.close());
    const down = new Promise((resolve) => sessions.on("storeDown", resolve));
    const web = webConsole(sessions, { authorize: () => true });
    const viewer = await Viewer.open((_, init) => web.fetch(new Request(`${ORIGIN}/live`, init)));
    await viewer.until("a state", () => true);
    primary.before = () => {
      throw new StoreError("coatcheck: the primary is down");
    };
    await Promise.all([takeover.promise, down]);
    await viewer.untilEqual("the server", ({ store, servers: [one] }) => [store.status, one?.storeUp], ["up", true]);
    viewer.leave();
  });

  test("is the same for several viewers, and costs nothing once they have left", async (t) => {
    const { web, store } = start(t);
    const ask = await serve(t, web.node);
    const viewers = await Promise.all([1, 2, 3].map(() => Viewer.open(ask)));
    await Promise.all(viewers.map((viewer) => viewer.until("a state", () => true)));
    for (const viewer of viewers) viewer.leave();
    await quiet(store);
  });

  test("costs nothing either after a viewer over fetch has cancelled it", async (t) => {
    const { ask, store } = start(t);
    const answer = await ask("live");
    const reader = answer.body!.getReader();
    await reader.read();
    await reader.cancel();
    await quiet(store);
  });

  test("a viewer who reads nothing does not fill the memory", async (t) => {
    const { web, sessions } = start(t);
    const other = await Viewer.open((_, init) => web.fetch(new Request(`${ORIGIN}/live`, init)));
    const answer = await web.fetch(new Request(`${ORIGIN}/live`));
    const reader = answer.body!.getReader();
    await reader.read();
    const before = other.states.length;
    await login(sessions, "ann", {});
    await other.until("more states", () => other.states.length > before + 3);
    const read: string[] = [];
    for (let i = 0; i < 3; i++) read.push(Buffer.from((await reader.read()).value!).toString());
    await reader.cancel();
    other.leave();
    // What came meanwhile was left out: the newest state follows the one that was waiting.
    const started = read.map((text) => JSON.parse(text.slice(6)).servers[0].totals.started);
    assert.equal(started.at(-1), 1);
    assert.ok(read.length < other.states.length);
  });

  for (const closed of ["the console", "the sessions"] as const) {
    test(`ends when ${closed} are closed, and the store then says that the server has stopped`, async (t) => {
      const store = { ...watched(), close: async () => {} };
      const { web, sessions } = start(t, { name: "first" }, {}, store);
      const viewer = await Viewer.open(await serve(t, web.node));
      await viewer.until("the server", ({ servers }) => servers.length === 1);
      await until(() => store.calls.includes("create"));
      const second = createSessions<Data>({ store, secret: SECRET, sweepInterval: false }); // biome-ignore format: one line
      t.after(() => second.close());
      const other = webConsole(second, { authorize: () => true });
      const watching = await Viewer.open((_, init) => other.fetch(new Request(`${ORIGIN}/live`, init)));
      await watching.until("both servers", ({ servers }) => servers.length === 2);
      await (closed === "the console" ? web.close() : sessions.close());
      await viewer.end();
      const { servers } = await watching.until("the goodbye", (state) => state.servers.some(({ status }) => status === "stopped")); // biome-ignore format: one line
      assert.equal(servers.find(({ status }) => status === "stopped")!.name, "first");
      watching.leave();
    });
  }

  /** No call comes any more, but for the server's own reports. */
  async function quiet(store: ReturnType<typeof watched>): Promise<void> {
    // Of the observer, which asks for a session several times a second.
    for (let calm = 0; calm < 3; ) {
      const before = store.calls.length;
      await sleep(900);
      calm = store.calls.length - before <= 3 ? calm + 1 : 0;
    }
  }
});

async function until(check: () => boolean): Promise<void> {
  while (!check()) await sleep(5);
}
