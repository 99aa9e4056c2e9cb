// What is special about Hono: it answers errors inside of the chain, responses of all kinds, and its types.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { type Context, Hono } from "hono";
import { cors } from "hono/cors";
import { HTTPException } from "hono/http-exception";
import { streamSSE } from "hono/streaming";
import { type SessionVariables, session } from "../../src/adapters/hono.ts";
import { type CoatcheckError, createSessions, OptionError, type Sessions } from "../../src/index.ts";
import { SECRET, type WatchedStore, watched } from "../support/stores.ts";

interface Data {
  n: number;
  cart: string[];
}
type Env = { Variables: SessionVariables<Data> };

let store: WatchedStore;
let sessions: Sessions<Data>;
beforeEach(() => {
  store = watched();
  sessions = createSessions<Data>({ store, secret: SECRET, cookie: { secure: false }, sweepInterval: false });
});
afterEach(() => sessions.close());

function app(): Hono<Env> {
  const app = new Hono<Env>();
  app.use(session(sessions));
  app.get("/n", (c) => c.text(String(c.var.session.data.n)));
  return app;
}

/** A client of an application: it keeps the session's cookie. */
function clientOf(app: Hono<Env>) {
  let cookie = "";
  return async (path: string) => {
    const response = await app.request(path, { headers: { cookie } });
    const cookies = response.headers.getSetCookie();
    for (const one of cookies) if (one.startsWith("sid=")) cookie = one.split(";")[0]!;
    return Object.assign(response, { cookies });
  };
}

describe("errors, which Hono answers before the session sees them", () => {
  test("an HTTPException below 500 is an answer: the session is saved", async () => {
    const shop = app();
    shop.get("/", (c) => {
      c.var.session.data.n = 5;
      throw new HTTPException(403, { message: "not yours" });
    });
    const get = clientOf(shop);
    const answer = await get("/");
    assert.deepEqual([answer.status, await answer.text(), answer.cookies.length], [403, "not yours", 1]);
    assert.equal(await (await get("/n")).text(), "5");
  });

  test("a handler that throws is a failed request, even if onError answers 200", async () => {
    const shop = app();
    shop.onError((_error, c) => c.text("sorry"));
    shop.get("/", (c) => {
      c.var.session.data.n = 5;
      throw new Error("on purpose");
    });
    const get = clientOf(shop);
    assert.equal((await get("/")).status, 200);
    assert.equal(await (await get("/n")).text(), "undefined");
  });

  test("a regenerated ticket reaches the browser although the handler throws", async () => {
    const shop = app();
    shop.onError(() => new Response("own", { status: 500 }));
    shop.get("/set", (c) => c.text(String(c.var.session.set("n", 1))));
    shop.get("/fail", async (c) => {
      await c.var.session.regenerate();
      throw new Error("on purpose");
    });
    const get = clientOf(shop);
    await get("/set");
    assert.equal((await get("/fail")).cookies.length, 1);
    assert.equal(await (await get("/n")).text(), "1");
  });

  test("onError gets an HTTPException with the error as its cause, and no headers of the body that is not sent", async () => {
    const seen: unknown[] = [];
    const shop = new Hono<Env>();
    shop.use(cors());
    shop.use(session(sessions));
    shop.onError((error, c) => {
      seen.push(error);
      return error instanceof HTTPException ? error.getResponse() : c.text("other", 500);
    });
    shop.get("/", (c) => {
      c.var.session.data.n = 1;
      return c.text("never seen", 200, { ETag: '"1"', "Set-Cookie": "theme=dark" });
    });
    store.before = () => {
      throw new Error("connect ECONNREFUSED 10.9.8.7:6379");
    };
    const answer = await clientOf(shop)("/");
    assert.equal(answer.status, 503);
    assert.doesNotMatch(await answer.text(), /10\.9|never seen/);
    assert.equal(answer.headers.get("retry-after"), "1");
    assert.equal(answer.headers.get("access-control-allow-origin"), "*");
    assert.equal(answer.headers.get("etag"), null);
    assert.deepEqual(answer.cookies, ["theme=dark"]);
    assert.equal(((seen[0] as Error).cause as CoatcheckError).code, "COATCHECK_STORE");
  });

  test("a session that can't be opened is answered by Hono itself, without the store's words", async () => {
    const shop = app();
    const get = clientOf(shop);
    shop.get("/set", (c) => c.text(String(c.var.session.set("n", 1))));
    await get("/set");
    store.before = () => {
      throw new Error("connect ECONNREFUSED 10.9.8.7:6379");
    };
    const answer = await get("/n");
    assert.deepEqual([answer.status, await answer.text()], [503, "Service Unavailable: try again in a moment.\n"]);
  });

  test("a handler that forgets its response is told so by Hono", async () => {
    const shop = app();
    let message = "";
    shop.onError((error, c) => {
      message = error.message;
      return c.text("failed", 500);
    });
    shop.get("/", (async (c: Context<Env>) => void c.var.session.set("n", 1)) as never);
    const get = clientOf(shop);
    assert.equal((await get("/")).status, 500);
    assert.match(message, /not finalized/);
    assert.equal(await (await get("/n")).text(), "undefined");
  });

  test("in an application that is mounted with its own onError", async () => {
    const inner = app();
    inner.onError((_error, c) => c.text("inner", 500));
    inner.get("/fail", (c) => {
      c.var.session.data.n = 1;
      throw new Error("on purpose");
    });
    inner.get("/set", (c) => c.text(String(c.var.session.set("n", 1))));
    const outer = new Hono<Env>().route("/inner", inner) as unknown as Hono<Env>;
    const get = clientOf(outer);
    assert.deepEqual([(await get("/inner/fail")).status, (await get("/inner/set")).cookies.length], [500, 1]);
    assert.equal(await (await get("/inner/n")).text(), "1");
  });
});

describe("responses", () => {
  const kinds: Record<string, (c: Context<Env>) => Response | Promise<Response>> = {
    "of the context": (c) => c.json({ a: 1 }, 200, { "Set-Cookie": "theme=dark" }),
    raw: () => new Response("raw", { headers: { "Set-Cookie": "theme=dark" } }),
    "with headers that can't be changed": () => Response.redirect("http://localhost/n"),
    "without a body": () => new Response(null, { status: 204 }),
  };
  for (const [kind, respond] of Object.entries(kinds)) {
    test(`${kind}: the session's cookie is added to those that are there`, async () => {
      const shop = app();
      shop.get("/", (c) => {
        c.var.session.data.n = 1;
        return respond(c);
      });
      const get = clientOf(shop);
      const { cookies, status } = await get("/");
      assert.ok(status < 400);
      assert.equal(cookies.filter((cookie) => cookie.startsWith("sid=")).length, 1);
      if (/context|raw/.test(kind)) assert.ok(cookies.includes("theme=dark"));
      assert.equal(await (await get("/n")).text(), "1");
    });
  }

  test("one response that several users get does not carry one's ticket to another", async () => {
    const shop = app();
    const shared = new Response("shared");
    shop.get("/", (c) => {
      c.var.session.data.n = 1;
      return shared.clone();
    });
    const own = new Response(null, { status: 204 });
    shop.get("/same", (c) => {
      c.var.session.data.n = 1;
      return own;
    });
    for (const path of ["/", "/same", "/same"]) assert.equal((await clientOf(shop)(path)).cookies.length, 1);
    assert.deepEqual(own.headers.getSetCookie(), []);
  });

  test("server-sent events start after the commit", async () => {
    const shop = app();
    shop.get("/events", (c) => {
      c.var.session.data.n = 1;
      return streamSSE(c, async (stream) => {
        await stream.writeSSE({ data: String(c.var.session.data.n) });
      });
    });
    const get = clientOf(shop);
    const answer = await get("/events");
    assert.equal(answer.cookies.length, 1);
    assert.match(await answer.text(), /data: 1/);
  });

  test("a page that nobody has asked for", async () => {
    const get = clientOf(app());
    const answer = await get("/nowhere");
    assert.deepEqual([answer.status, answer.cookies, store.calls], [404, [], []]);
  });
});

test("a route has the session in its own mode, and the middleware before it has it still", async () => {
  const shop = new Hono<Env>();
  const seen: boolean[] = [];
  shop.use(session(sessions));
  shop.use(async (c, next) => {
    await next();
    seen.push(c.var.session !== undefined);
  });
  shop.get("/none", session(sessions, { mode: "none" }), (c) => c.text(String(c.var.session)));
  shop.get("/read", session(sessions, { mode: "readonly" }), (c) => {
    assert.throws(() => c.var.session.set("n", 1), /readonly/);
    return c.text("refused");
  });
  const get = clientOf(shop);
  assert.equal(await (await get("/none")).text(), "undefined");
  assert.equal(await (await get("/read")).text(), "refused");
  assert.deepEqual(seen, [true, true]);
});

test("something else in the session's place is refused", async () => {
  const seen: string[] = [];
  const shop = new Hono<Env>();
  shop.onError((error, c) => {
    seen.push(error.message);
    return c.text("failed", 500);
  });
  shop.use("/before", async (c, next) => {
    c.set("session", { user: "ann" } as never);
    await next();
  });
  shop.use(session(sessions));
  shop.get("/before", (c) => c.text("never seen"));
  shop.get("/after", (c) => {
    c.set("session", { user: "ann" } as never);
    return c.text("never seen");
  });
  assert.equal((await clientOf(shop)("/before")).status, 500);
  assert.equal((await clientOf(shop)("/after")).status, 500);
  assert.match(seen[0]!, /c\.var\.session is set already/);
  assert.match(seen[1]!, /assigned to c\.var\.session/);
});

test("wrong options are refused where they are given", () => {
  assert.throws(() => session(sessions, { mode: "read" as never }), OptionError);
  assert.throws(() => session(sessions, { propery: "x" } as never), /did you mean "property"/);
});

test("the session's data is known without a cast", () => {
  const admins = createSessions<{ level: number }>({ secret: SECRET, cookie: { name: "admin" }, sweepInterval: false });
  // By the variables of the application, by the middleware before a handler, and by what the application declares.
  new Hono<Env>().get("/", (c) => {
    c.get("session").data.cart.push("hat");
    // @ts-expect-error: no such key
    c.get("session").data.card = [];
    return c.text("");
  });
  new Hono()
    .use(session(sessions))
    .use(session(admins, { property: "admin" }))
    .get("/", (c) => {
      c.var.session.data.cart.push("hat");
      c.var.admin.data.level += 1;
      // @ts-expect-error: no such key
      c.var.admin.data.cart = [];
      return c.text("");
    });
  new Hono().get("/", (c) => {
    // @ts-expect-error: nothing of the kind is declared
    c.get("session").data.cart = [];
    return c.text(c.get("session").id);
  });
  return admins.close();
});
