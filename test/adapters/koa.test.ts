// What is special about Koa: its handler of errors, `ctx.respond = false`, `ctx.throw`, and its types.

import assert from "node:assert/strict";
import { createServer, type RequestListener } from "node:http";
import { Readable } from "node:stream";
import { afterEach, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import Koa, { type Context, type DefaultState } from "koa";
import { type SessionContext, session } from "../../src/adapters/koa.ts";
import { type CoatcheckError, createSessions, OptionError, type Sessions } from "../../src/index.ts";
import { SECRET, type WatchedStore, watched } from "../support/stores.ts";
import { type App, Browser, listen } from "./apps.ts";

interface Data {
  n: number;
  cart: string[];
}

let store: WatchedStore;
let sessions: Sessions<Data>;
let app: App | undefined;
beforeEach(() => {
  store = watched();
  sessions = createSessions<Data>({ store, secret: SECRET, cookie: { secure: "auto" }, sweepInterval: false });
});
afterEach(async () => {
  await app?.close();
  app = undefined;
  await sessions.close();
});

type ShopContext = SessionContext<Data>;
type Handler = Koa.Middleware<DefaultState, ShopContext>;

/** An application with these middleware after the session's. */
async function served(...handlers: Handler[]): Promise<Browser> {
  const koa = new Koa<DefaultState, ShopContext>();
  koa.silent = true;
  koa.use(session(sessions));
  for (const handler of handlers) koa.use(handler);
  return start(koa.callback());
}

async function start(listener: RequestListener): Promise<Browser> {
  app = await listen(createServer(listener));
  return new Browser(app.url);
}

/** Adds one, and shows the sum. */
const add: Handler = (ctx) => {
  ctx.body = String(ctx.session.update("n", (n) => (n ?? 0) + 1));
};

describe("errors", () => {
  test("what ctx.throw throws is an answer: the session is saved, and the browser gets its cookie", async () => {
    const browser = await served((ctx) => {
      if (ctx.path === "/n") return add(ctx, async () => {});
      ctx.session.data.n = 5;
      ctx.throw(403, "not yours");
    });
    const answer = await browser.get("/");
    assert.equal(answer.status, 403);
    assert.equal(await answer.text(), "not yours");
    assert.equal(answer.setCookies.length, 1);
    assert.equal(await browser.text("/n"), "6");
  });

  test("a regenerated ticket reaches the browser although the handler throws, and Koa removes all headers", async () => {
    const browser = await served(async (ctx, next) => {
      if (ctx.path !== "/fail") return add(ctx, next);
      await ctx.session.regenerate();
      ctx.session.data.n = 100;
      throw new Error("on purpose");
    });
    await browser.get("/");
    const { cookie } = browser;
    const answer = await browser.get("/fail");
    assert.equal(answer.status, 500);
    assert.equal(answer.headers.get("cache-control"), "no-store");
    assert.notEqual(browser.cookie, cookie);
    assert.equal(await browser.text("/"), "2");
  });

  test("a failed commit goes to middleware before the session's, and to app.on('error')", async () => {
    const seen: Error[] = [];
    const koa = new Koa<DefaultState, ShopContext>();
    koa.on("error", (error: Error) => seen.push(error));
    koa.use(async (ctx, next) => {
      try {
        await next();
      } catch (error) {
        if (ctx.path === "/default") throw error;
        ctx.status = (error as CoatcheckError).status;
        if (ctx.path !== "/status-only") ctx.body = "handled";
      }
    });
    koa.use(session(sessions));
    koa.use((ctx) => {
      ctx.session.data.n = 1;
      ctx.set("X-Request-Id", "7");
      ctx.etag = "1";
      ctx.body = "never seen";
    });
    store.before = () => {
      throw new Error("connect ECONNREFUSED 10.9.8.7:6379");
    };
    const browser = await start(koa.callback());
    const handled = await browser.get("/");
    assert.deepEqual([handled.status, await handled.text()], [503, "handled"]);
    assert.deepEqual([handled.headers.get("x-request-id"), handled.headers.get("etag")], ["7", null]);
    // The body of the page is not sent where only the status is given.
    assert.equal(await browser.text("/status-only"), "Service Unavailable");
    const plain = await browser.get("/default");
    assert.deepEqual([plain.status, await plain.text()], [503, "Service Unavailable"]);
    assert.equal(plain.headers.get("retry-after"), "1");
    assert.equal((seen[0] as CoatcheckError).code, "COATCHECK_STORE");
  });

  test("ctx.session = null, as koa-session has it, is refused with the way out", async () => {
    const seen: string[] = [];
    const koa = new Koa();
    koa.on("error", (error: Error) => seen.push(error.message));
    koa.use(session(sessions));
    koa.use((ctx) => {
      ctx.session = null as never;
      ctx.body = "bye";
    });
    const browser = await start(koa.callback());
    assert.equal((await browser.get("/")).status, 500);
    assert.match(seen[0]!, /assigned to ctx\.session.*await ctx\.session\.destroy\(\)/);
  });

  test("another package's session is not overwritten", async () => {
    const seen: string[] = [];
    const koa = new Koa();
    koa.on("error", (error: Error) => seen.push(error.message));
    koa.use((ctx, next) => {
      ctx.session = { user: "ann" } as never;
      return next();
    });
    koa.use(session(sessions));
    assert.equal((await (await start(koa.callback())).get("/")).status, 500);
    assert.match(seen[0]!, /ctx\.session is set already/);
  });
});

describe("responses that Koa does not write", () => {
  test("with ctx.respond = false the headers wait for the commit", async () => {
    const browser = await served((ctx, next) => {
      if (ctx.path === "/n") return add(ctx, next);
      ctx.respond = false;
      ctx.session.data.n = 1;
      ctx.res.writeHead(200, { "Content-Type": "text/plain" });
      ctx.res.write("one, ");
      setTimeout(() => ctx.res.end("two"), 20);
    });
    const answer = await browser.get("/");
    assert.equal(await answer.text(), "one, two");
    assert.equal(answer.setCookies.length, 1);
    assert.equal(await browser.text("/n"), "2");
  });

  test("with ctx.respond = false a failed commit is answered by Koa", async () => {
    const browser = await served((ctx) => {
      ctx.respond = false;
      ctx.session.data.n = 1;
      ctx.res.end("never seen");
    });
    store.before = () => {
      throw new Error("down");
    };
    const answer = await browser.get("/");
    assert.deepEqual([answer.status, await answer.text()], [503, "Service Unavailable"]);
  });

  test("a response that is written later, when the middleware have finished", async () => {
    const browser = await served((ctx, next) => {
      if (ctx.path === "/n") return add(ctx, next);
      ctx.respond = false;
      ctx.session.data.n = 1;
      setTimeout(() => ctx.res.end("late"), 20);
    });
    const answer = await browser.get("/");
    assert.equal(await answer.text(), "late");
    assert.equal(answer.setCookies.length, 1);
    assert.equal(await browser.text("/n"), "2");
  });

  test("a stream that fails leaves the session saved", async () => {
    const browser = await served((ctx, next) => {
      if (ctx.path === "/n") return add(ctx, next);
      ctx.session.data.n = 1;
      ctx.body = Readable.from(
        (async function* () {
          yield "begun";
          await sleep(20);
          throw new Error("cut");
        })(),
      );
    });
    const answer = await browser.get("/");
    assert.equal(answer.setCookies.length, 1);
    await assert.rejects(answer.text());
    assert.equal(await browser.text("/n"), "2");
  });
});

describe("routes", () => {
  test("a route has the session in its own mode, and the middleware before it has it still", async () => {
    const seen: boolean[] = [];
    const browser = await served(
      async (ctx, next) => {
        await next();
        seen.push(ctx.session !== undefined);
      },
      (ctx, next) =>
        session(sessions, { mode: (ctx) => (ctx.path === "/none" ? "none" : "readonly") })(ctx as never, next),
      (ctx) => {
        if (ctx.path === "/none") ctx.body = String(ctx.session);
        else assert.throws(() => ctx.session.set("n", 1), /readonly/);
        ctx.body ??= "refused";
      },
    );
    assert.equal(await browser.text("/none"), "undefined");
    assert.equal(await browser.text("/"), "refused");
    assert.deepEqual(seen, [true, true]);
  });

  test("a proxy's header counts where app.proxy is set, and says http as well", async () => {
    const koa = new Koa<DefaultState, ShopContext>({ proxy: true });
    koa.use(session(sessions));
    koa.use(add);
    const browser = await start(koa.callback());
    const over = async (protocol: string) =>
      (await browser.get("/", { headers: { "x-forwarded-proto": protocol, cookie: "" } })).setCookies[0]!;
    assert.match(await over("https"), /Secure/);
    assert.doesNotMatch(await over("http"), /Secure/);
  });
});

test("wrong options are refused where they are given", () => {
  assert.throws(() => session(sessions, { mode: "read" as never }), OptionError);
  assert.throws(() => session(sessions, { propery: "x" } as never), /did you mean "property"/);
});

test("the session's data is known without a cast", () => {
  const koa = new Koa<DefaultState, SessionContext<Data>>();
  koa.use(session(sessions));
  koa.use((ctx) => {
    ctx.session.data.cart.push("hat");
    // @ts-expect-error: no such key
    ctx.session.data.card = [];
  });
  // Without a type argument it is the data that the application declares: nothing, in these tests.
  new Koa().use(session(sessions)).use((ctx: Context) => {
    const id: string = ctx.session.id;
    // @ts-expect-error: nothing of the kind is declared
    ctx.session.data.cart = [id];
  });
});
