// Middleware that knows express-session: the same requests with express-session and with the drop-in, the same answers.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import { createRequire } from "node:module";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import flash from "connect-flash";
import { Server as Engine } from "engine.io";
import express from "express";
import passportModule from "passport";
import type { SessionOptions, SessionRequest } from "../../../src/adapters/express-session/index.ts";
import { memory } from "../../../src/stores/memory/index.ts";
import { tempDir } from "../../servers/process.ts";
import { type App, Browser, listen } from "../apps.ts";
import { dropIn, original } from "./both.ts";

type Data = Record<string, unknown>;
type Req = Omit<SessionRequest, "session"> & express.Request & { session: SessionRequest["session"] & Data };
type Done = (error?: unknown) => void;
type Set = (app: express.Express) => void;

const BASICS = { secret: "keyboard cat", resave: false, saveUninitialized: false } satisfies SessionOptions;
/** The first is what the others are compared with. */
const sides: Record<string, () => express.RequestHandler> = {
  "express-session": () => original({ ...BASICS, store: new original.MemoryStore() }) as express.RequestHandler,
  "the drop-in": () => dropIn(BASICS) as express.RequestHandler,
  "the drop-in on its neighbour's store": () =>
    dropIn({ ...BASICS, store: new original.MemoryStore() }) as express.RequestHandler,
  "the drop-in on memory()": () => dropIn({ ...BASICS, store: memory() }) as express.RequestHandler,
  "the drop-in on a store that answers late": () => {
    const { sync: _, inProcess: __, ...late } = memory();
    return dropIn({ ...BASICS, store: late }) as express.RequestHandler;
  },
};

/** Runs an application on each side. What `visit` sees must be the same. */
async function compare(set: Set, visit: (app: App) => Promise<unknown[]>): Promise<void> {
  let expected: unknown[] | undefined;
  for (const [name, middleware] of Object.entries(sides)) {
    const app = express();
    app.use(middleware());
    set(app);
    app.use(((error, _req, res, _next) => void res.status(error.status ?? 500).send(error.message)) as express.ErrorRequestHandler); // biome-ignore format: one line
    const running = await listen(createServer(app));
    try {
      const seen = await visit(running);
      expected ??= seen;
      assert.deepEqual(seen, expected, name);
    } finally {
      await running.close();
    }
  }
}

describe("Passport 0.7", () => {
  const { Passport, Strategy } = passportModule;

  const shop: Set = (app) => {
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
    app.use(passport.initialize(), passport.session());
    app.get("/login", (req, res, next) => {
      const options = { keepSessionInfo: req.query.keep !== undefined, successRedirect: "/whoami" };
      passport.authenticate("name", options)(req, res, next);
    });
    app.get("/logout", (req, res, next) => {
      const { logout } = req as unknown as { logout(options: object, done: Done): void };
      logout.call(req, { keepSessionInfo: req.query.keep !== undefined }, (error) =>
        error ? next(error) : res.redirect("/whoami"),
      );
    });
    app.get("/add", (req, res) => {
      const { session } = req as unknown as Req;
      session.cart = [...((session.cart as string[]) ?? []), req.query.item];
      res.send("added");
    });
    app.get("/whoami", (req, res) => {
      const { user, session } = req as unknown as Req & { user?: { id: string } };
      res.send(`${user?.id ?? "nobody"} ${JSON.stringify(session.cart)}`);
    });
  };

  test("login, keepSessionInfo, logout", async () => {
    await compare(shop, async ({ url }) => {
      const browser = new Browser(url);
      const seen: unknown[] = [];
      const ids: (string | undefined)[] = [];
      for (const path of [
        "/whoami",
        "/add?item=hat",
        "/login?user=ann&keep=1",
        "/whoami",
        "/login?user=bob",
        "/add?item=pipe",
        "/whoami",
        "/logout?keep=1",
        "/whoami",
        "/login",
        "/login?user=cid",
        "/logout",
        "/whoami",
      ]) {
        const res = await browser.get(path);
        seen.push([path, res.status, res.headers.get("location"), await res.text()]);
        ids.push(browser.cookie);
        seen.push(ids.indexOf(browser.cookie));
      }
      // A cookie from before a login opens nothing.
      seen.push(await new Browser(url, ids[1]).text("/whoami"));
      return seen;
    });
  });
});

test("connect-flash", async () => {
  await compare(
    (app) => {
      app.use(flash() as express.RequestHandler);
      app.get("/leave", (req, res) => {
        (req as unknown as { flash(kind: string, text: string): void }).flash("info", "for ann");
        res.redirect("/take");
      });
      app.get("/take", (req, res) => res.json((req as unknown as { flash(kind: string): string[] }).flash("info")));
    },
    async ({ url }) => {
      const [ann, bob] = [new Browser(url), new Browser(url)];
      await ann.text("/leave");
      return [await bob.text("/take"), await ann.text("/take"), await ann.text("/take")];
    },
  );
});

test("a token against forged requests, kept in the session", async () => {
  await compare(
    (app) => {
      app.use((request, res, next) => {
        const req = request as unknown as Req;
        req.session.csrf ??= "a token";
        if (req.method === "POST" && req.headers["x-csrf"] !== req.session.csrf) return void res.status(403).end();
        next();
      });
      app.use((req, res) => res.send(String((req as unknown as Req).session.csrf)));
    },
    async ({ url }) => {
      const browser = new Browser(url);
      const token = await browser.text("/");
      const send = (headers: Record<string, string>) =>
        browser.get("/", { method: "POST", headers }).then(({ status }) => status);
      return [await send({}), await send({ "x-csrf": token })];
    },
  );
});

describe("packages that are installed for this", () => {
  const folder = tempDir("express-session-neighbours");
  const require = createRequire(join(folder, "index.js"));
  let missing: string | undefined;
  before(() => {
    writeFileSync(join(folder, "package.json"), '{"private":true}');
    try {
      const packages = ["lusca@1", "csurf@1", "cookie-parser@1", "grant@5"];
      const args = ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline", ...packages];
      execFileSync("npm", args, { cwd: folder, stdio: "pipe" });
    } catch (error) {
      missing = `npm install failed: ${(error as Error).message.slice(0, 200)}`;
    }
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  test("lusca, csurf with cookie-parser", async (t) => {
    if (missing !== undefined) return t.skip(missing);
    for (const guard of [() => require("lusca").csrf(), () => require("csurf")()] as (() => express.RequestHandler)[]) {
      await compare(
        (app) => {
          app.use(require("cookie-parser")("keyboard cat"), guard());
          app.get("/", (req, res) => {
            const token = (req as unknown as { csrfToken(): string }).csrfToken();
            res.send(token);
          });
          app.post("/", (_req, res) => res.send("posted"));
        },
        async ({ url }) => {
          const browser = new Browser(url);
          const token = await browser.text("/");
          const send = (headers: Record<string, string>) =>
            browser.get("/", { method: "POST", headers }).then(({ status }) => status);
          return [await send({}), await send({ "x-csrf-token": token }), await send({ "x-csrf-token": "x" })];
        },
      );
    }
  });

  test("grant, with a server for OAuth 2", async (t) => {
    if (missing !== undefined) return t.skip(missing);
    const provider = createServer((_req, res) => {
      res.setHeader("content-type", "application/json");
      res.end('{"access_token":"a token for ann"}');
    });
    await new Promise<void>((resolve) => provider.listen(0, "127.0.0.1", resolve));
    const { port } = provider.address() as AddressInfo;
    await compare(
      (app) => {
        const origin = "http://127.0.0.1";
        const mine = {
          authorize_url: `http://127.0.0.1:${port}/authorize`,
          access_url: `http://127.0.0.1:${port}/token`,
          oauth: 2,
          key: "k",
          secret: "s",
          state: true,
          callback: "/done",
        };
        app.use(require("grant").express({ defaults: { origin, transport: "session" }, mine }));
        app.get("/done", (req, res) => res.json((req as unknown as Req).session.grant));
      },
      async ({ url }) => {
        const browser = new Browser(url);
        const asked = await browser.get("/connect/mine");
        const state = new URL(asked.headers.get("location")!).searchParams.get("state");
        const back = await browser.get(`/connect/mine/callback?code=c&state=${state}`);
        const { response, provider } = JSON.parse(await browser.text("/done"));
        return [asked.status, back.status, back.headers.get("location"), provider, response.access_token];
      },
    );
    provider.close();
    provider.closeAllConnections();
  });
});

describe("Socket.IO's io.engine.use", () => {
  for (const [name, middleware] of Object.entries(sides)) {
    test(`a connection has the session of its browser, with ${name}`, async () => {
      const session = middleware();
      const app = express();
      app.use(session);
      app.get("/login", (req, res) => {
        (req as unknown as Req).session.user = "ann";
        res.send("hello");
      });
      app.get("/look", (req, res) => {
        const { user, messages } = (req as unknown as Req).session;
        res.json({ user, messages });
      });
      const server = createServer(app);
      const engine = new Engine();
      engine.attach(server);
      // Socket.IO's documentation: only the handshake has a session.
      engine.use((req: IncomingMessage & { _query: { sid?: string } }, res: never, next: () => void) => {
        if (req._query.sid === undefined) session(req as never, res, next);
        else next();
      });
      const connected: Req[] = [];
      engine.on("connection", (socket) => connected.push(socket.request as unknown as Req));
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const { port } = server.address() as AddressInfo;
      const browser = new Browser(`http://127.0.0.1:${port}`);
      await browser.text("/login");
      const socket = connect(port, "127.0.0.1");
      const lines = [
        "GET /engine.io/?EIO=4&transport=websocket HTTP/1.1",
        `Host: 127.0.0.1:${port}`,
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        `Cookie: ${browser.cookie}`,
      ];
      socket.write(`${lines.join("\r\n")}\r\n\r\n`);
      for (let i = 0; i < 200 && connected.length === 0; i++) await sleep(5);
      const req = connected[0]!;
      assert.equal(req.session.user, "ann");
      await new Promise<void>((resolve, reject) => {
        req.session.reload((error) => {
          if (error) return reject(error);
          req.session.messages = 1;
          req.session.save((error) => (error ? reject(error) : resolve()));
        });
      });
      assert.equal(await browser.text("/look"), '{"user":"ann","messages":1}');
      // A page that polls is another transport.
      const polling = await fetch(`http://127.0.0.1:${port}/engine.io/?EIO=4&transport=polling`, {
        headers: { cookie: browser.cookie! },
      });
      assert.equal(polling.status, 200);
      assert.equal(connected[1]?.session.user, "ann");
      socket.destroy();
      engine.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    });
  }
});
