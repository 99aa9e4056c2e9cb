// Options of the other packages that change their cookies: each cookie is made by the real package, and read here.

import assert from "node:assert/strict";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { createRequire } from "node:module";
import { describe, test } from "node:test";
import {
  cookieSession,
  expressSession,
  fastifySession,
  h3Session,
  ironSession,
  koaSession,
  type LegacySource,
  secureSession,
} from "../../src/legacy/index.ts";
import { clock, MINUTE } from "../support/set-up.ts";
import { Client, listen, OLD_SECRET, stores } from "./packages.ts";

const load = createRequire(import.meta.url);
const SECRET = OLD_SECRET;
const OTHER = "another secret, which is long enough, too";
const SALT = "mq9hDxBVDbspDR6n";

interface Variant {
  name: string;
  /** The cookies that the real package gives for `user: "ann"`. */
  made(shared: ReturnType<typeof stores>): Promise<string>;
  source(shared: ReturnType<typeof stores>): LegacySource;
  /** Minutes after which the cookie has ended by its own word. */
  ends?: number;
}

/** What the browser has after one request to a server. */
async function cookiesOf(listener: RequestListener): Promise<string> {
  const running = await listen(listener);
  const client = new Client();
  await client.get(running.port);
  await running.close();
  return client.header;
}

type WithSession = IncomingMessage & { session: Record<string, unknown> };

const connect = (middleware: (req: IncomingMessage, res: ServerResponse, next: () => void) => void) =>
  cookiesOf((req, res) =>
    middleware(req, res, () => {
      (req as WithSession).session.user = "ann";
      res.end("{}");
    }),
  );

const express = (options: object) => (shared: ReturnType<typeof stores>) => {
  const { Store } = load("express-session");
  const store = Object.assign(new Store(), shared.callbacks);
  return connect(load("express-session")({ resave: false, saveUninitialized: false, store, ...options }));
};

const fastify = (plugin: string, options: object) => async (shared: ReturnType<typeof stores>) => {
  const app = load("fastify")();
  if (plugin === "@fastify/session") app.register(load("@fastify/cookie"));
  app.register(load(plugin), { store: shared.callbacks, ...options });
  app.get("/", async (request: WithSession) => {
    request.session.user = "ann";
    return {};
  });
  await app.ready();
  return cookiesOf((req, res) => app.routing(req, res));
};

const koa = (options: object) => (shared: ReturnType<typeof stores>) => {
  const Koa = load("koa");
  const app = new Koa();
  app.keys = [SECRET];
  app.use(load("koa-session").default({ ...options, ...("store" in options && { store: shared.koa }) }, app));
  app.use((ctx: { session: Record<string, unknown>; body: unknown }) => {
    ctx.session.user = "ann";
    ctx.body = {};
  });
  return cookiesOf(app.callback());
};

const iron = (options: object) => async () => {
  const { getIronSession } = await import("iron-session");
  return cookiesOf(async (req, res) => {
    const session = await getIronSession<Record<string, unknown>>(req, res, {
      cookieName: "iron",
      cookieOptions: { secure: false },
      ...options,
    } as never);
    session.user = "ann";
    await session.save();
    res.end("{}");
  });
};

const h3 = (options: object) => async () => {
  const { H3, toNodeHandler, updateSession } = await import("h3");
  const app = new H3();
  app.get("/", async (event) => {
    await updateSession(event, { password: SECRET, cookie: { secure: false }, ...options }, { user: "ann" });
    return {};
  });
  return cookiesOf(toNodeHandler(app) as RequestListener);
};

const cookie = { secure: false };

const variants: Variant[] = [
  {
    name: "express-session with a name, and secrets that are rotated",
    made: express({ secret: [OTHER, SECRET], name: "my.sid" }),
    source: ({ callbacks: store }) => expressSession({ secret: [SECRET, OTHER], name: "my.sid", store }),
  },
  {
    name: "express-session with maxAge",
    made: express({ secret: SECRET, cookie: { maxAge: 10 * MINUTE } }),
    source: ({ callbacks: store }) => expressSession({ secret: SECRET, store, cookie: { maxAge: 10 * MINUTE } }),
    ends: 10,
  },
  {
    name: "@fastify/session with a prefix and a name",
    made: fastify("@fastify/session", { secret: SECRET, cookie, cookiePrefix: "s:", cookieName: "mine" }),
    source: ({ callbacks: store }) => fastifySession({ secret: SECRET, store, cookiePrefix: "s:", cookieName: "mine" }),
  },
  {
    name: "@fastify/session without rolling",
    made: fastify("@fastify/session", {
      secret: SECRET,
      rolling: false,
      cookie: { ...cookie, maxAge: 10 * MINUTE },
    }),
    source: ({ callbacks: store }) => fastifySession({ secret: SECRET, store, rolling: false }),
    ends: 10,
  },
  {
    name: "@fastify/session with maxAge, which each use moves on by saving the record",
    made: fastify("@fastify/session", { secret: SECRET, cookie: { ...cookie, maxAge: 10 * MINUTE } }),
    source: ({ callbacks: store }) => fastifySession({ secret: SECRET, store, cookie: { maxAge: 10 * MINUTE } }),
    ends: 10,
  },
  {
    name: "@fastify/secure-session with secret and salt",
    made: fastify("@fastify/secure-session", { secret: SECRET, salt: SALT }),
    source: () => secureSession({ secret: SECRET, salt: SALT }),
    ends: 24 * 60,
  },
  {
    name: "@fastify/secure-session with keys that are rotated, a name and an expiry",
    made: fastify("@fastify/secure-session", { key: Buffer.alloc(32, 1), cookieName: "mine", expiry: 600 }),
    source: () => secureSession({ key: [Buffer.alloc(32, 2), Buffer.alloc(32, 1)], cookieName: "mine", expiry: 600 }),
    ends: 10,
  },
  {
    name: "koa-session until the browser closes",
    made: koa({ maxAge: "session", key: "mine" }),
    source: () => koaSession({ keys: [SECRET], key: "mine", maxAge: "session" }),
  },
  {
    name: "koa-session with maxAge",
    made: koa({ maxAge: 10 * MINUTE }),
    source: () => koaSession({ keys: [OTHER, SECRET], maxAge: 10 * MINUTE }),
    ends: 10,
  },
  {
    name: "koa-session with a store",
    made: koa({ store: true }),
    source: ({ koa: store }) => koaSession({ keys: [SECRET], store }),
    ends: 24 * 60,
  },
  {
    name: "cookie-session with a secret",
    made: () => connect(load("cookie-session")({ secret: SECRET })),
    source: () => cookieSession({ secret: SECRET }),
  },
  {
    name: "cookie-session with a Keygrip of its own",
    made: () => connect(load("cookie-session")({ keys: new (load("keygrip"))([SECRET], "sha256", "hex") })),
    source: () => cookieSession({ keys: new (load("keygrip"))([OTHER, SECRET], "sha256", "hex") }),
  },
  {
    name: "iron-session with passwords that are rotated, and a ttl",
    made: iron({ password: { 1: SECRET, 2: OTHER }, ttl: 600 }),
    source: () => ironSession({ password: { 2: OTHER, 3: SECRET }, cookieName: "iron", ttl: 600 }),
    ends: 11, // a minute for clocks that differ
  },
  {
    name: "iron-session without an end",
    made: iron({ password: SECRET, ttl: 0 }),
    source: () => ironSession({ password: SECRET, cookieName: "iron", ttl: 0 }),
  },
  {
    name: "h3 with a name and maxAge",
    made: h3({ name: "mine", maxAge: 600 }),
    source: () => h3Session({ password: SECRET, name: "mine", maxAge: 600 }),
    ends: 10,
  },
];

for (const { name, made, source, ends } of variants) {
  test(name, async (t) => {
    const tick = clock(t);
    const shared = stores();
    const cookies = await made(shared);
    const legacy = source(shared);
    const found = legacy.find(cookies);
    assert.ok(found);
    const old = await legacy.read(found);
    assert.deepEqual(old?.data, { user: "ann" });
    assert.equal(await isForeign(legacy, cookies), true);
    if (ends === undefined) tick(365 * 24 * 60 * MINUTE);
    else {
      tick((ends - 2) * MINUTE);
      assert.ok(await legacy.read(found));
      tick(2 * MINUTE + 1_000);
    }
    const now = legacy.find(cookies);
    assert.equal(now !== undefined && (await legacy.read(now)) !== undefined, ends === undefined);
  });
}

describe("cookies beside the old one", () => {
  test("names that begin or end alike are other cookies", async () => {
    const legacy = cookieSession({ keys: [SECRET], name: "s" });
    const { cookies } = await legacy.write({ user: "ann" }, undefined, undefined);
    const header = cookies.map((text) => text.split(";")[0]).join("; ");
    assert.ok(legacy.find(header));
    assert.ok(legacy.find(`as=1; s.sig=x; sa=2; ${header}`));
    assert.equal(legacy.find(header.replace("s=", "as=")), undefined);
  });
});

test("a session of @fastify/session that is only used here does not end on servers of the old version", async (t) => {
  const tick = clock(t);
  const shared = stores();
  const app = load("fastify")();
  app.register(load("@fastify/cookie"));
  const maxAge = 10 * MINUTE;
  app.register(load("@fastify/session"), { secret: SECRET, store: shared.callbacks, cookie: { ...cookie, maxAge } });
  app.get("/login", async ({ session }: WithSession) => {
    session.user = "ann";
    return {};
  });
  app.get("/", async ({ session }: WithSession) => ({ user: session.user }));
  t.after(() => app.close());

  const [{ name, value }] = (await app.inject("/login")).cookies;
  const header = `${name}=${encodeURIComponent(value)}`;
  const legacy = fastifySession({ secret: SECRET, store: shared.callbacks, keep: "1d", cookie: { ...cookie, maxAge } });
  const found = legacy.find(header)!;
  for (let i = 0; i < 3; i++) {
    tick(6 * MINUTE);
    const copy = await legacy.read(found);
    assert.ok(copy);
    await legacy.touch(found, copy);
  }
  tick(6 * MINUTE);
  assert.deepEqual((await app.inject({ url: "/", headers: { cookie: header } })).json(), { user: "ann" });
});

/** True if no other cookie of the same form is accepted: one whose text was changed anywhere. */
async function isForeign(legacy: LegacySource, cookies: string): Promise<boolean> {
  const [first = ""] = cookies.split("; ");
  const start = first.indexOf("=") + 1;
  for (let at = start; at < first.length; at += Math.max(1, Math.floor((first.length - start) / 12))) {
    const changed = first.slice(0, at) + (first[at] === "A" ? "B" : "A") + first.slice(at + 1);
    const found = legacy.find(cookies.replace(first, changed));
    if (found !== undefined && (await legacy.read(found)) !== undefined) return false;
  }
  return true;
}
