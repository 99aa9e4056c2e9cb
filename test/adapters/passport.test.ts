// Passport and connect-flash on the adapter for Express, and other habits of express-session.

import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import { afterEach, beforeEach, describe, test } from "node:test";
import flash from "connect-flash";
import express from "express";
import fastify from "fastify";
import passportModule from "passport";
import { session as onExpress } from "../../src/adapters/express.ts";
import { session as onFastify } from "../../src/adapters/fastify.ts";
import { session as onNode } from "../../src/adapters/node.ts";
import { createSessions, type Session, type SessionStore, type Sessions } from "../../src/index.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { SECRET } from "../support/stores.ts";
import { type App, Browser, listen } from "./apps.ts";

interface Data {
  cart: string[];
}
type Login = IncomingMessage & {
  session: Session<Data>;
  user?: { id: string };
  logIn(user: object, options: object, done: (error?: unknown) => void): void;
  logout(options: object, done: (error?: unknown) => void): void;
};

const stores: Record<string, () => SessionStore> = {
  "a store that answers immediately": () => memory(),
  "a store that answers late": () => {
    const { sync: _, inProcess: __, ...late } = memory();
    return late;
  },
};

for (const [storeName, makeStore] of Object.entries(stores)) {
  describe(`Passport, with ${storeName}`, () => {
    let sessions: Sessions<Data>;
    let app: App;
    let browser: Browser;

    beforeEach(async () => {
      sessions = createSessions<Data>({
        store: makeStore(),
        secret: SECRET,
        cookie: { secure: false },
        initial: { cart: [] },
      });
      app = await listen(createServer(application(sessions)));
      browser = new Browser(app.url);
    });
    afterEach(async () => {
      await app.close();
      await sessions.close();
    });

    test("logs in, knows the user, and logs out", async () => {
      assert.equal(await browser.text("/whoami"), "nobody []");
      assert.equal(await browser.text("/login?user=ann"), "hello ann");
      assert.equal(await browser.text("/whoami"), "ann []");
      assert.equal(await browser.text("/logout"), "bye");
      assert.equal(await browser.text("/whoami"), "nobody []");
    });

    test("gives a new ticket at a login, and the old one is dead", async () => {
      await browser.text("/add?item=hat");
      const planted = browser.cookie;
      await browser.text("/login?user=ann");
      assert.notEqual(browser.cookie, planted);
      assert.equal(await new Browser(app.url, planted).text("/whoami"), "nobody []");
    });

    test("leaves the next user nothing of the former one's session", async () => {
      await browser.text("/login?user=ann");
      await browser.text("/add?item=ring");
      await browser.text("/login?user=bob");
      assert.equal(await browser.text("/whoami"), "bob []");
      await browser.text("/add?item=pipe");
      await browser.text("/logout");
      assert.equal(await browser.text("/whoami"), "nobody []");
    });

    test("keeps the session's data with keepSessionInfo", async () => {
      await browser.text("/add?item=hat");
      await browser.text("/login?user=ann&keep=1");
      assert.equal(await browser.text("/whoami"), 'ann ["hat"]');
      await browser.text("/logout?keep=1");
      assert.equal(await browser.text("/whoami"), 'nobody ["hat"]');
    });
  });
}

/** A shop whose users log in by name. */
function application(sessions: Sessions<Data>): RequestListener {
  const { Passport, Strategy } = passportModule;
  const passport = new Passport();
  class ByName extends Strategy {
    authenticate(req: { query: { user?: string } }): void {
      if (req.query.user === undefined) this.fail(401);
      else this.success({ id: req.query.user });
    }
  }
  passport.use("name", new ByName());
  passport.serializeUser((user, done) => setImmediate(done, null, user.id));
  passport.deserializeUser((id, done) => done(null, { id }));
  const app = express();
  app.use(onExpress(sessions), passport.initialize(), passport.session());
  app.get("/login", (req, res, next) => {
    const options = { keepSessionInfo: req.query.keep !== undefined };
    passport.authenticate("name", options)(req, res, (error?: unknown) => {
      if (error) next(error);
      else res.send(`hello ${(req as unknown as Login).user!.id}`);
    });
  });
  app.get("/logout", (req, res, next) => {
    const options = { keepSessionInfo: req.query.keep !== undefined };
    (req as unknown as Login).logout(options, (error) => (error ? next(error) : res.send("bye")));
  });
  app.get("/add", (req, res) => {
    (req as unknown as Login).session.data.cart.push(req.query.item as string);
    res.send("added");
  });
  app.get("/whoami", (req, res) => {
    const { user, session } = req as unknown as Login;
    res.send(`${user?.id ?? "nobody"} ${JSON.stringify(session.data.cart)}`);
  });
  return app as unknown as RequestListener;
}

describe("habits of express-session", () => {
  let sessions: Sessions<Data>;
  let app: App | undefined;
  beforeEach(() => {
    sessions = createSessions<Data>({
      store: stores["a store that answers late"]!(),
      secret: SECRET,
      cookie: { secure: false },
    });
  });
  afterEach(async () => {
    await app?.close();
    await sessions.close();
  });

  async function answerOf(
    handler: (req: Record<string, unknown>, res: express.Response, next: (error?: unknown) => void) => void,
  ) {
    const app1 = express();
    app1.use(onExpress(sessions), flash());
    app1.use((req, res, next) => handler(req as never, res, next));
    app1.use(((error, _req, res, _next) => void res.status(500).send(error.message)) as express.ErrorRequestHandler);
    app = await listen(createServer(app1 as unknown as RequestListener));
    const answer = await new Browser(app.url).get("/");
    return { status: answer.status, text: await answer.text(), cookies: answer.setCookies };
  }

  test("connect-flash gets an error that names session.flash, and shows nobody's messages to others", async () => {
    const { status, text } = await answerOf((req, res) => {
      (req.flash as (key: string, message: string) => void)("info", "for ann only");
      res.send("never seen");
    });
    assert.equal(status, 500);
    assert.match(text, /session\.flash is a method.*session\.flash\(key, message\).*connect-flash/);
    const other = (await sessions.open(null)) as unknown as { flash: Record<string, unknown> };
    assert.equal(other.flash.info, undefined);
  });

  test("req.session.user = … is an error that names session.data", async () => {
    const { status, text } = await answerOf((req, res) => {
      (req.session as Record<string, unknown>).user = "ann";
      res.send("never seen");
    });
    assert.equal(status, 500);
    assert.match(text, /session\.user can't be set.*session\.data\.user = /);
  });

  for (const value of [null, undefined, {}]) {
    test(`req.session = ${JSON.stringify(value)} is an error that names destroy()`, async () => {
      const { status, text, cookies } = await answerOf((req, res) => {
        (req.session as Session<Data>).data.cart = ["hat"];
        req.session = value;
        res.send("never seen");
      });
      assert.equal(status, 500);
      assert.match(text, /assigned to req\.session.*await req\.session\.destroy\(\)/);
      assert.deepEqual(cookies, []);
    });
  }

  test("so it is with node:http and Fastify", async () => {
    const listener = onNode(sessions, { onError: (error, _req, res) => void res.end((error as Error).message) })(
      (req, res) => {
        req.session = null as never;
        res.end("never seen");
      },
    );
    app = await listen(createServer(listener));
    assert.match(await new Browser(app.url).text("/"), /assigned to req\.session/);
    await app.close();

    const instance = fastify();
    await instance.register(onFastify(sessions));
    instance.get("/", async (request) => {
      request.session = null as never;
      return "never seen";
    });
    const answer = await instance.inject("/");
    assert.equal(answer.statusCode, 500);
    assert.match(answer.json().message, /assigned to request\.session/);
    await instance.close();
  });

  test("callbacks work, in the order in which they are called", async () => {
    const order: string[] = [];
    const { text } = await answerOf((req, res, next) => {
      const session = req.session as Session<Data>;
      session.data.cart = ["hat"];
      session.save((error) => {
        order.push(`save ${error}`);
        session.regenerate((error) => {
          order.push(`regenerate ${error} ${session.keys()}`);
          session.reload((error) => {
            order.push(`reload ${error}`);
            session.destroy((error) => {
              order.push(`destroy ${error}`);
              if (error) next(error);
              else res.send("done");
            });
          });
        });
      });
    });
    assert.equal(text, "done");
    assert.deepEqual(order, ["save undefined", "regenerate undefined ", "reload undefined", "destroy undefined"]);
  });
});
