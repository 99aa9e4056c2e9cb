// What is special about h3: values, errors and responses have their headers from different places; and its types.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { H3, type H3Event, HTTPError, HTTPResponse, onResponse } from "h3";
import { type SessionContext, session } from "../../src/adapters/h3.ts";
import { createSessions, OptionError, type Session, type Sessions } from "../../src/index.ts";
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

const of = ({ context }: H3Event) => (context as unknown as SessionContext<Data>).session;

function app(config: ConstructorParameters<typeof H3>[0] = {}): H3 {
  const app = new H3({ silent: true, ...config });
  app.use(session(sessions));
  app.get("/n", (event) => String(of(event).data.n));
  return app;
}

/** A client of an application: it keeps the session's cookie. */
function clientOf(app: H3) {
  let cookie = "";
  return async (path: string) => {
    const response = await app.request(path, { headers: { cookie } });
    const cookies = response.headers.getSetCookie();
    for (const one of cookies) if (one.startsWith("sid=")) cookie = one.split(";")[0]!;
    return Object.assign(response, { cookies });
  };
}

describe("what a handler returns", () => {
  const kinds: Record<string, (event: H3Event) => unknown> = {
    "a text": () => "text",
    "an object": () => ({ a: 1 }),
    nothing: () => null,
    "an HTTPResponse": () => new HTTPResponse("a", { headers: { "Set-Cookie": "theme=dark", Vary: "Accept" } }),
    "an HTTPResponse with 404": () => new HTTPResponse("a", { status: 404, headers: { "Set-Cookie": "theme=dark" } }),
    "a Response": () => new Response("a", { headers: { "Set-Cookie": "theme=dark", Vary: "Accept" } }),
    "a Response with 404": () => new Response("a", { status: 404, headers: { "Set-Cookie": "theme=dark" } }),
    "a redirect that can't be changed": () => Response.redirect("http://localhost/n"),
    "a stream": () => new Response("a").body,
    "an error": () => HTTPError.status(404),
  };
  for (const [kind, respond] of Object.entries(kinds)) {
    test(`${kind}: the session's cookie is added to those that are there`, async () => {
      const shop = app();
      shop.get("/", (event) => {
        of(event).data.n = 1;
        return respond(event);
      });
      const get = clientOf(shop);
      const answer = await get("/");
      assert.equal(answer.cookies.filter((cookie) => cookie.startsWith("sid=")).length, 1);
      assert.equal(answer.headers.get("cache-control"), "no-store");
      if (/Response/.test(kind)) assert.ok(answer.cookies.includes("theme=dark"));
      if (/Response$/.test(kind)) assert.equal(answer.headers.get("vary"), "Accept, Cookie");
      assert.equal(await (await get("/n")).text(), "1");
    });
  }

  test("one response that several users get does not carry one's ticket to another", async () => {
    const shop = app();
    const shared = new Response(null, { status: 204 });
    shop.get("/", (event) => {
      of(event).data.n = 1;
      return shared;
    });
    for (let i = 0; i < 2; i++) assert.equal((await clientOf(shop)("/")).cookies.length, 1);
    assert.deepEqual(shared.headers.getSetCookie(), []);
  });

  for (const [kind, value] of Object.entries({
    "a Response": () => new Response("a", { status: 500 }),
    "an HTTPResponse": () => new HTTPResponse("a", { status: 503 }),
    "an error": () => new Error("on purpose"),
    "event.res.status": (event: H3Event) => {
      event.res.status = 500;
      return "a";
    },
  })) {
    test(`status 500 by ${kind} drops the changes`, async () => {
      const shop = app();
      shop.get("/set", (event) => String(of(event).update("n", (n) => (n ?? 0) + 1)));
      shop.get("/", (event) => {
        of(event).data.n = 5;
        return value(event);
      });
      const get = clientOf(shop);
      await get("/set");
      assert.ok((await get("/")).status >= 500);
      assert.equal(await (await get("/n")).text(), "1");
    });
  }

  test("data that looks like a response's status is data", async () => {
    const shop = app();
    shop.get("/", (event) => {
      of(event).data.n = 5;
      return { status: 500 };
    });
    const get = clientOf(shop);
    assert.equal((await get("/")).cookies.length, 1);
  });

  test("a page that nobody has asked for is left to h3", async () => {
    const answer = await clientOf(app())("/nowhere");
    assert.deepEqual([answer.status, answer.cookies, store.calls], [404, [], []]);
  });
});

describe("what a handler throws", () => {
  test("an HTTPError below 500 is an answer: the session is saved, and the browser gets its cookie", async () => {
    const shop = app();
    shop.get("/", (event) => {
      of(event).data.n = 5;
      throw HTTPError.status(403);
    });
    const get = clientOf(shop);
    const { status, cookies } = await get("/");
    assert.deepEqual([status, cookies.length], [403, 1]);
    assert.equal(await (await get("/n")).text(), "5");
  });

  const configs: Record<string, ConstructorParameters<typeof H3>[0]> = {
    "h3 itself": {},
    "an onError with a value": { onError: () => "sorry" },
    "an onError with a Response": { onError: () => new Response("sorry", { status: 500 }) },
  };
  for (const [who, config] of Object.entries(configs)) {
    test(`a regenerated ticket reaches the browser if ${who} answers the error`, async () => {
      const seen: number[] = [];
      const shop = app({ ...config, onResponse: ({ status }) => void seen.push(status) });
      shop.get("/set", (event) => String(of(event).update("n", (n) => (n ?? 0) + 1)));
      shop.get("/fail", async (event) => {
        await of(event).regenerate();
        of(event).data.n = 100;
        throw new Error("on purpose");
      });
      const get = clientOf(shop);
      await get("/set");
      const { cookies, headers } = await get("/fail");
      assert.deepEqual([cookies.length, headers.get("cache-control")], [1, "no-store"]);
      assert.equal(await (await get("/n")).text(), "1");
      assert.equal(seen.length, 3);
    });
  }

  test("a failed commit gives 503 without the store's words, and nothing of the body that is not sent", async () => {
    const seen: unknown[] = [];
    const shop = app({ onError: (error) => void seen.push(error.cause) });
    shop.get("/", (event) => {
      of(event).data.n = 1;
      event.res.status = 201;
      for (const headers of [event.res.headers, event.res.errHeaders]) {
        headers.set("etag", '"1"');
        headers.set("x-request-id", "7");
      }
      return "never seen";
    });
    store.before = () => {
      throw new Error("connect ECONNREFUSED 10.9.8.7:6379");
    };
    const answer = await clientOf(shop)("/");
    assert.equal(answer.status, 503);
    assert.doesNotMatch(await answer.text(), /10\.9|never seen/);
    assert.deepEqual([answer.headers.get("etag"), answer.headers.get("x-request-id")], [null, "7"]);
    assert.equal(answer.headers.get("retry-after"), "1");
    assert.equal((seen[0] as { code: string }).code, "COATCHECK_STORE");
  });
});

test("middleware before the session's sees the session's headers", async () => {
  const seen: (string | null)[] = [];
  const shop = new H3({ silent: true });
  shop.use(onResponse(({ headers }) => void seen.push(headers.get("cache-control"))));
  shop.use(session(sessions));
  shop.get("/", (event) => {
    of(event).data.n = 1;
    return "a";
  });
  assert.equal((await clientOf(shop)("/")).cookies.length, 1);
  assert.deepEqual(seen, ["no-store"]);
});

test("a route has the session in its own mode, and the middleware before it has it still", async () => {
  const seen: boolean[] = [];
  const shop = app();
  shop.use(async (event, next) => {
    const value = await next();
    seen.push(of(event) !== undefined);
    return value;
  });
  shop.get("/none", (event) => String(of(event)), { middleware: [session(sessions, { mode: "none" })] });
  shop.get("/read", (event) => assert.throws(() => of(event).set("n", 1), /readonly/) ?? "refused", {
    middleware: [session(sessions, { mode: "readonly" })],
  });
  const get = clientOf(shop);
  assert.equal(await (await get("/none")).text(), "undefined");
  assert.equal(await (await get("/read")).text(), "refused");
  assert.deepEqual(seen, [true, true]);
});

test("something else in the session's place is refused", async () => {
  const seen: string[] = [];
  const shop = new H3({ silent: true, onError: (error) => void seen.push(String((error.cause as Error).message)) });
  shop.use("/before", (event) => {
    event.context.session = { user: "ann" } as never;
  });
  shop.use(session(sessions));
  shop.get("/after", (event) => {
    event.context.session = { user: "ann" } as never;
    return "never seen";
  });
  assert.equal((await clientOf(shop)("/before")).status, 500);
  assert.equal((await clientOf(shop)("/after")).status, 500);
  assert.match(seen[0]!, /event\.context\.session is set already/);
  assert.match(seen[1]!, /assigned to event\.context\.session/);
});

test("wrong options are refused where they are given", () => {
  assert.throws(() => session(sessions, { mode: "read" as never }), OptionError);
  assert.throws(() => session(sessions, { propery: "x" } as never), /did you mean "property"/);
});

test("the session's type is known", () => {
  new H3().get("/", ({ context }) => {
    const session: Session<object> = context.session;
    // @ts-expect-error: nothing of the kind is declared
    context.session.data.cart = [];
    return session.id;
  });
});
