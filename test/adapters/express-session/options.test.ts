// The options of the drop-in, its signature, and what it exports.

import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { describe, test } from "node:test";
import { inherits } from "node:util";
import express from "express";
import defaultExport, * as named from "../../../src/adapters/express-session/index.ts";
import { sign, signingKey, unsign } from "../../../src/cookies/signature.ts";
import { OptionError } from "../../../src/index.ts";
import { memory } from "../../../src/stores/memory/index.ts";
import { sealedCookie } from "../../../src/stores/sealed-cookie/index.ts";
import fc from "../../support/random.ts";
import { Browser, listen } from "../apps.ts";
import { dropIn, original } from "./both.ts";

const require = createRequire(import.meta.url);
const BASICS = { secret: "keyboard cat", resave: false, saveUninitialized: false };

test("the exports are those of express-session", () => {
  assert.equal(defaultExport, named.session);
  for (const name of Object.keys(original)) assert.equal(typeof (dropIn as never)[name], "function", name);
  assert.equal(dropIn.Store.prototype instanceof EventEmitter, true);
  assert.equal(new dropIn.MemoryStore() instanceof dropIn.Store, true);
});

test("stores of all times can extend Store", () => {
  class New extends (dropIn.Store as unknown as { new (): EventEmitter }) {}
  function Old(this: EventEmitter) {
    (dropIn.Store as unknown as { call(self: EventEmitter, options: object): void }).call(this, {});
  }
  inherits(Old as never, dropIn.Store);
  for (const store of [new New(), new (Old as unknown as { new (): EventEmitter })()]) {
    let heard = 0;
    store.on("connect", () => heard++);
    store.emit("connect");
    assert.equal(heard, 1);
    assert.equal(typeof (store as unknown as named.Store).createSession, "function");
  }
});

test("the signature is that of cookie-signature, for any text and secret", () => {
  const theirs = require("cookie-signature") as typeof import("node:crypto") & {
    sign(value: string, secret: string): string;
    unsign(text: string, secret: string): string | false;
  };
  fc.assert(
    fc.property(fc.string(), fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), (value, secret, other) => {
      const keys = [signingKey(other), signingKey(secret)];
      const signed = theirs.sign(value, secret);
      assert.equal(sign(value, signingKey(secret)), signed);
      assert.equal(unsign(signed, keys), value);
      assert.equal(theirs.unsign(sign(value, keys[1]!), secret), value);
      assert.equal(unsign(`${signed}x`, keys), undefined);
      assert.equal(unsign(signed.slice(0, -1), keys), undefined);
    }),
  );
  const bytes = Buffer.from("a secret");
  assert.equal(sign("id", signingKey(bytes)), theirs.sign("id", "a secret"));
});

describe("wrong options are errors that name the fix", () => {
  const cases: [object, RegExp][] = [
    [{ compat: 3 }, /option "compat" is 3: it must be 1 or 2/],
    [{ genid: "x" }, /option "genid" is "x": it must be a function/],
    [{ unset: "remove" }, /option "unset" is "remove": it must be "destroy" or "keep"/],
    [{ secret: [] }, /option "secret" is an array: the secret option array must contain/],
    [{ extend: "no" }, /option "extend" is "no": it must be true, false, or a function/],
    [{ ttl: "1h" }, /option "ttl" is "1h": it needs a coatcheck store/],
    [{ store: { get() {} } }, /option "store" is an object of type Object: it has no set\(\)/],
    [{ store: memory(), ttl: "soon" }, /option "ttl" is "soon"/],
    [{ store: memory(), encryption: "none" }, /option "encryption" is "none": it must be "server" or "off"/],
    [{ store: sealedCookie() }, /a sealed cookie is no store for express-session's sessions/],
    [{ secret: undefined, store: memory() }, /option "secret" is undefined: a coatcheck store needs it/],
  ];
  for (const [options, message] of cases) {
    test(String(message), () => {
      assert.throws(() => dropIn({ ...BASICS, ...options }), (error) => error instanceof OptionError && message.test(error.message)); // biome-ignore format: one line
    });
  }
});

test("secrets rotate, and a coatcheck store opens what any of them has sealed", async () => {
  const { sync: _, inProcess: __, ...store } = memory();
  const at = async (secret: string | string[]) => {
    const app = express();
    const middleware = dropIn({ ...BASICS, secret, store, encryption: "server", owner: () => "ann" });
    app.use(middleware as express.RequestHandler);
    app.get("/", (req, res) => {
      const session = req.session as unknown as Record<string, number>;
      session.n = (session.n ?? 0) + 1;
      res.send(String(session.n));
    });
    return { ...(await listen(createServer(app))), middleware };
  };
  let cookie: string | undefined;
  const counts: string[] = [];
  for (const secret of ["old", ["old", "new"], ["new", "old"], "new"]) {
    const app = await at(secret);
    const browser = new Browser(app.url, cookie);
    counts.push(await browser.text("/"));
    cookie = browser.cookie;
    // The one before it, which was last saved under the new secret, and this one.
    if (secret === "new") assert.equal(await app.middleware.revokeAll("ann"), 2);
    await app.close();
  }
  // A cookie is signed anew only when it is sent again: without an age, it is not.
  assert.deepEqual(counts, ["1", "2", "3", "1"]);
});

test("a session per visitor may last longer: remember me", async () => {
  const store = memory();
  const app = express();
  app.use(dropIn({ ...BASICS, store, cookie: { maxAge: 1_000 } }) as express.RequestHandler);
  app.get("/remember", (req, res) => {
    const { session } = req as unknown as { session: named.Session & { user?: string } };
    session.user = "ann";
    session.cookie.maxAge = 3_600_000;
    res.send("remembered");
  });
  app.get("/", (req, res) => {
    const { cookie, user } = req.session as unknown as named.Session & { user?: string };
    res.json([user, cookie.originalMaxAge, Math.round(cookie.maxAge! / 60_000)]);
  });
  const running = await listen(createServer(app));
  const browser = new Browser(running.url);
  const res = await browser.get("/remember");
  const expires = Date.parse(/Expires=([^;]+)/.exec(res.setCookies[0]!)![1]!);
  assert.ok(expires > Date.now() + 3_500_000);
  assert.equal(await browser.text("/"), '["ann",3600000,60]');
  for await (const { expiresAt } of store.list!({})) assert.ok(expiresAt > Date.now() + 3_500_000);
  await running.close();
});

test("an age that a request gives a session which it does not change otherwise stays with it", async () => {
  const { sync: _, inProcess: __, ...late } = memory();
  for (const store of [new dropIn.MemoryStore(), memory(), late]) {
    const app = express();
    app.use(dropIn({ ...BASICS, store: store as never, cookie: { maxAge: 60_000 } }) as express.RequestHandler);
    app.get("/begin", (req, res) => {
      Object.assign(req.session, { user: "ann" });
      res.send("begun");
    });
    app.get("/remember", (req, res) => {
      (req.session as unknown as named.Session).cookie.maxAge = 3_600_000;
      res.send("remembered");
    });
    app.get("/", (req, res) => res.send(String((req.session as unknown as named.Session).cookie.originalMaxAge)));
    const running = await listen(createServer(app));
    const browser = new Browser(running.url);
    for (const path of ["/begin", "/remember"]) await browser.text(path);
    assert.deepEqual([await browser.text("/"), await browser.text("/")], ["3600000", "3600000"]);
    await running.close();
  }
});

test("what is not changed is not written to a coatcheck store, whatever resave says", async () => {
  const inner = memory();
  let writes = 0;
  const { sync: _, inProcess: __, ...late } = inner;
  const store = {
    ...late,
    update: (...args: Parameters<typeof late.update>) => {
      writes++;
      return late.update(...args);
    },
  };
  const middleware = dropIn({ secret: "x", resave: true, saveUninitialized: true, store });
  const server = createServer((req, res) => middleware(req, res, () => res.end("seen")));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const browser = new Browser(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  await browser.text("/");
  await browser.text("/");
  assert.equal(writes, 0);
  server.closeAllConnections();
  server.close();
});

test("requests of one session on one server save one after the other", async () => {
  const { sync: _, inProcess: __, ...late } = memory();
  let conflicts = 0;
  const store = {
    ...late,
    async update(...args: Parameters<typeof late.update>) {
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 5));
      const result = await late.update(...args);
      if (result === "conflict") conflicts++;
      return result;
    },
  };
  const middleware = dropIn({ ...BASICS, store });
  const app = express();
  app.use(middleware as express.RequestHandler);
  app.get("/:key", (req, res) => {
    (req.session as unknown as Record<string, unknown>)[req.params.key] = 1;
    res.send("set");
  });
  const running = await listen(createServer(app));
  const browser = new Browser(running.url);
  await browser.text("/begin");
  const headers = { cookie: browser.cookie! };
  await Promise.all(Array.from({ length: 50 }, (_, i) => fetch(`${running.url}/k${i}`, { headers })));
  assert.ok(conflicts <= 50, String(conflicts));
  await running.close();
});
