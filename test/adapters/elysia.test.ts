// What is special about Elysia: plugins and their scope, onError, generators, inferred bodies, and its types.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { Elysia, redirect, status, t } from "elysia";
import { session } from "../../src/adapters/elysia.ts";
import { type CoatcheckError, createSessions, OptionError, type Sessions } from "../../src/index.ts";
import { SECRET, type WatchedStore, watched } from "../support/stores.ts";

interface Data {
  n: number;
  cart: string[];
}

let store: WatchedStore;
let sessions: Sessions<Data>;
beforeEach(() => {
  store = watched();
  sessions = createSessions<Data>({ store, secret: SECRET, cookie: { secure: false }, sweepInterval: false });
});
afterEach(() => sessions.close());

const app = () =>
  new Elysia()
    .use(session(sessions))
    .get("/n", ({ session }) => String(session.data.n))
    .get("/set", ({ session }) => String(session.update("n", (n) => (n ?? 0) + 1)));

/** A client of an application: it keeps the session's cookie. */
function clientOf(app: { handle(request: Request): Promise<Response> }) {
  let cookie = "";
  return async (path: string, init: RequestInit = {}) => {
    const headers = { cookie, ...(init.headers as object) };
    const response = await app.handle(new Request(`http://localhost${path}`, { ...init, headers }));
    const cookies = response.headers.getSetCookie();
    for (const one of cookies) if (one.startsWith("sid=")) cookie = one.split(";")[0]!;
    return Object.assign(response, { cookies });
  };
}

describe("responses", () => {
  const kinds = {
    "a text": () => "text",
    "an object": () => ({ a: 1 }),
    "a status": () => status(404, "none"),
    "a Response": () => new Response("a", { headers: { "Set-Cookie": "theme=dark" } }),
    "a redirect": () => redirect("http://localhost/n"),
  };
  for (const [kind, respond] of Object.entries(kinds)) {
    test(`${kind}: the session's cookie is added to those that are there`, async () => {
      const shop = app().get("/", ({ session, cookie }) => {
        session.data.n = 1;
        cookie.sort!.value = "price";
        return respond();
      });
      const get = clientOf(shop);
      const { cookies, headers } = await get("/");
      assert.equal(cookies.filter((cookie) => cookie.startsWith("sid=")).length, 1);
      assert.ok(cookies.some((cookie) => cookie.startsWith("sort=price")));
      assert.equal(headers.get("cache-control"), "no-store");
      assert.equal(await (await get("/n")).text(), "1");
    });
  }

  test("a generator writes the session until its first value", async () => {
    const shop = app().get("/", async function* ({ session }) {
      session.data.n = 1;
      yield "a";
      assert.throws(() => session.set("n", 2), /committed/);
      yield "b";
    });
    const get = clientOf(shop);
    const answer = await get("/");
    assert.equal(answer.cookies.length, 1);
    let text = "";
    for await (const chunk of answer.body!) text += chunk; // text, in Elysia's streams
    assert.equal(text, "ab");
    assert.equal(await (await get("/n")).text(), "1");
  });

  test("a handler that reads the body itself still has it", async () => {
    const shop = app().post("/", async ({ session, request }) => {
      session.data.n = 1;
      return request.text();
    });
    const answer = await clientOf(shop)("/", {
      method: "POST",
      body: '{"a":1}',
      headers: { "content-type": "application/json" },
    });
    assert.equal(await answer.text(), '{"a":1}');
  });

  test("a page that nobody has asked for opens no session", async () => {
    const answer = await clientOf(app())("/nowhere");
    assert.deepEqual([answer.status, answer.cookies, store.calls], [404, [], []]);
  });

  test("one request object may be handled twice", async () => {
    const shop = app();
    const request = new Request("http://localhost/set");
    for (let i = 0; i < 2; i++) assert.equal((await shop.handle(request)).headers.getSetCookie().length, 1);
  });
});

describe("errors", () => {
  test("a thrown status below 500 is an answer: the session is saved, and the browser gets its cookie", async () => {
    const shop = app().get("/", ({ session }) => {
      session.data.n = 5;
      throw status(403, "not yours");
    });
    const get = clientOf(shop);
    const answer = await get("/");
    assert.deepEqual([answer.status, await answer.text(), answer.cookies.length], [403, "not yours", 1]);
    assert.equal(await (await get("/n")).text(), "5");
  });

  const handlers: Record<string, (app: Elysia) => unknown> = {
    Elysia: () => {},
    "onError with a value": (app) => app.onError(() => "sorry"),
    "onError with a Response": (app) => app.onError(() => new Response("sorry", { status: 500 })),
  };
  for (const [who, prepare] of Object.entries(handlers)) {
    test(`a regenerated ticket reaches the browser if ${who} answers the error, and the changes are dropped`, async () => {
      const root = new Elysia();
      prepare(root);
      const shop = root
        .use(app())
        .use(session(sessions))
        .get("/fail", async ({ session }) => {
          await session.regenerate();
          session.data.n = 100;
          throw new Error("on purpose");
        });
      const get = clientOf(shop);
      await get("/set");
      const { status, cookies } = await get("/fail");
      assert.deepEqual([status, cookies.length], [500, 1]);
      assert.equal(await (await get("/n")).text(), "1");
    });
  }

  test("a failed commit goes to onError, with a status and without headers of the body that is not sent", async () => {
    const seen: unknown[] = [];
    const shop = new Elysia()
      .onError(({ error, code }) => {
        seen.push(error, code);
      })
      .use(session(sessions))
      .get("/", ({ session, set }) => {
        session.data.n = 1;
        set.status = 201;
        set.headers.etag = '"1"';
        set.headers["x-request-id"] = "7";
        return "never seen";
      });
    store.before = () => {
      throw new Error("connect ECONNREFUSED 10.9.8.7:6379");
    };
    const answer = await clientOf(shop)("/");
    assert.deepEqual([answer.status, await answer.text()], [503, "Service Unavailable: try again in a moment."]);
    assert.deepEqual([answer.headers.get("etag"), answer.headers.get("x-request-id")], [null, "7"]);
    assert.equal(answer.headers.get("retry-after"), "1");
    assert.equal((seen[0] as CoatcheckError).code, "COATCHECK_STORE");
    assert.equal(seen[1], "COATCHECK_STORE");
  });

  test("a failed commit is answered by Elysia itself, without the store's words", async () => {
    store.before = () => {
      throw new Error("connect ECONNREFUSED 10.9.8.7:6379");
    };
    const answer = await clientOf(app())("/set");
    assert.deepEqual([answer.status, await answer.text()], [503, "Service Unavailable: try again in a moment."]);
  });

  test("a session that can't be opened goes to onError, without the store's words", async () => {
    const get = clientOf(app());
    await get("/set");
    store.before = () => {
      throw new Error("connect ECONNREFUSED 10.9.8.7:6379");
    };
    const answer = await get("/n");
    assert.deepEqual([answer.status, await answer.text()], [503, "Service Unavailable: try again in a moment."]);
  });

  test("a generator's failed commit is answered, too", async () => {
    const shop = app().get("/", function* ({ session }) {
      session.data.n = 1;
      yield "never seen";
    });
    store.before = () => {
      throw new Error("down");
    };
    assert.equal((await clientOf(shop)("/")).status, 503);
  });

  test("a body that does not fit is refused, and the session has not changed", async () => {
    const shop = app().post("/", ({ session, body }) => session.set("n", body.n), {
      body: t.Object({ n: t.Number() }),
    });
    const get = clientOf(shop);
    const headers = { "content-type": "application/json" };
    assert.equal((await get("/", { method: "POST", body: '{"n":"x"}', headers })).status, 422);
    assert.equal((await get("/", { method: "POST", body: '{"n":3}', headers })).status, 200);
    assert.equal(await (await get("/n")).text(), "3");
  });

  test("without what goes around the application, it says so", async () => {
    const shop = new Elysia({ aot: false }).use(session(sessions)).get("/", () => "never seen");
    const answer = await clientOf(shop)("/");
    assert.equal(answer.status, 500);
    assert.match(await answer.text(), /aot: false/);
  });
});

describe("plugins", () => {
  test("routes below have the session, those beside have none", async () => {
    const below = new Elysia().get("/below", (context) => String("session" in context));
    const beside = new Elysia().get("/beside", (context) => String("session" in context));
    const shop = new Elysia().use(beside).use(session(sessions)).use(below);
    const get = clientOf(shop);
    assert.equal(await (await get("/below")).text(), "true");
    assert.equal(await (await get("/beside")).text(), "false");
  });

  test("a plugin that is used in several instances opens one session", async () => {
    const plugin = session(sessions);
    const cart = new Elysia()
      .use(plugin)
      .get("/add", ({ session }) => String(session.update("n", (n) => (n ?? 0) + 1)));
    const again = new Elysia().use(session(sessions)).get("/again", ({ session }) => String(session.data.n));
    const get = clientOf(new Elysia().use(plugin).use(cart).use(again));
    assert.equal((await get("/add")).cookies.length, 1);
    const calls = store.calls.length;
    assert.equal(await (await get("/again")).text(), "1");
    assert.equal(store.calls.length, calls + 1);
  });

  test("an instance has the session in its own mode", async () => {
    const read = new Elysia().use(session(sessions, { mode: "readonly" })).get("/read", ({ session }) => {
      assert.throws(() => session.set("n", 1), /readonly/);
      return "refused";
    });
    const none = new Elysia().use(session(sessions, { mode: "none" })).get("/none", ({ session }) => String(session));
    const get = clientOf(new Elysia().use(session(sessions)).use(read).use(none));
    assert.equal(await (await get("/read")).text(), "refused");
    assert.equal(await (await get("/none")).text(), "undefined");
  });

  test("two kinds of sessions under one name are refused", async () => {
    const admins = createSessions<{ level: number }>({
      secret: SECRET,
      cookie: { name: "admin" },
      sweepInterval: false,
    });
    const shop = new Elysia()
      .use(session(sessions))
      .use(session(admins))
      .get("/", () => "never seen");
    const answer = await clientOf(shop)("/");
    assert.equal(answer.status, 500);
    assert.match(await answer.text(), /context\.session is a session of other sessions/);
    await admins.close();
  });
});

test("wrong options are refused where they are given", () => {
  assert.throws(() => session(sessions, { mode: "read" as never }), OptionError);
  assert.throws(() => session(sessions, { propery: "x" } as never), /did you mean "property"/);
});

test("the session's data is known without a cast", () => {
  const admins = createSessions<{ level: number }>({ secret: SECRET, cookie: { name: "admin" }, sweepInterval: false });
  new Elysia()
    .use(session(sessions))
    .use(session(admins, { property: "admin" }))
    .get("/", ({ session, admin }) => {
      session.data.cart.push("hat");
      admin.data.level += 1;
      // @ts-expect-error: no such key
      session.data.card = [];
      // @ts-expect-error: no such key
      admin.data.cart = [];
    });
  return admins.close();
});
