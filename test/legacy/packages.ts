// A small shop on each of the other packages, as their users write it, and the same on coatcheck with the move from it.
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { session } from "../../src/adapters/node.ts";
import type { LegacySource, Sessions } from "../../src/index.ts";
import {
  cookieSession,
  expressSession,
  fastifySession,
  h3Session,
  ironSession,
  koaSession,
  type LegacyKoaStore,
  type LegacyOptions,
  type LegacyStore,
  secureSession,
} from "../../src/legacy/index.ts";

// Not imported: their types for a request's session would hold for all tests.
const load = createRequire(import.meta.url);

export const OLD_SECRET = "the old application's secret, long enough";
const KEY = Buffer.alloc(32, 7);

export interface Shopper {
  cart?: string[];
  views?: number;
  passport?: { user: string };
}

/** The session of a request, whichever package it is of. */
interface Held {
  data: Shopper;
  /** A new session, with nothing in it, under another id where the package has such. */
  renew(): Promise<void> | void;
  end(): Promise<void> | void;
}

/** What each shop does. `save` only where the package asks for it. */
async function shop(held: Held, url = "/"): Promise<unknown> {
  const { pathname, searchParams } = new URL(url, "http://shop");
  const { data } = held;
  if (pathname === "/add") held.data.cart = [...(data.cart ?? []), searchParams.get("item")!];
  if (pathname === "/view") held.data.views = (data.views ?? 0) + 1;
  if (pathname === "/mark") Object.assign(held.data, { [`mark-${searchParams.get("name")}`]: true });
  if (pathname === "/login") {
    const { cart } = data;
    await held.renew();
    if (cart !== undefined) held.data.cart = cart;
    held.data.passport = { user: searchParams.get("user")! };
  }
  if (pathname === "/logout") {
    await held.end();
    return {};
  }
  const { cart, views, passport } = held.data;
  const marks = Object.keys(held.data).filter((key) => key.startsWith("mark-"));
  return { cart, views, user: passport?.user, ...(marks.length > 0 && { marks }) };
}

function answer(res: ServerResponse, shown: unknown): void {
  res.setHeader("Content-Type", "application/json").end(JSON.stringify(shown));
}

export interface LegacyStores {
  readonly callbacks: LegacyStore;
  readonly koa: LegacyKoaStore;
}

export interface OldPackage {
  readonly cookieName: string;
  /** True if the package keeps its sessions in a store. */
  readonly stored: boolean;
  listener(stores: LegacyStores): Promise<RequestListener>;
  source(stores: LegacyStores, options?: LegacyOptions): LegacySource;
}

const cookie = { secure: false, path: "/", sameSite: "lax" as const };

export const packages: Record<string, OldPackage> = {
  "express-session": {
    cookieName: "connect.sid",
    stored: true,
    async listener({ callbacks }) {
      const middleware = load("express-session")({
        secret: OLD_SECRET,
        resave: false,
        saveUninitialized: false,
        store: storeFor(callbacks),
        cookie,
      });
      return (req, res) =>
        middleware(req, res, async (error: unknown) => {
          if (error) return fail(res, error);
          const request = req as IncomingMessage & { session: Shopper & Record<string, (done: unknown) => void> };
          const call = (method: string) =>
            new Promise<void>((resolve, reject) =>
              request.session[method]!((error: unknown) => (error ? reject(error) : resolve())),
            );
          const held: Held = {
            get data() {
              return request.session;
            },
            renew: () => call("regenerate"),
            end: () => call("destroy"),
          };
          answer(res, await shop(held, req.url));
        });
    },
    source: ({ callbacks }, options) => expressSession({ secret: OLD_SECRET, store: callbacks, cookie, ...options }),
  },

  "@fastify/session": {
    cookieName: "sessionId",
    stored: true,
    listener: ({ callbacks }) =>
      fastify(
        (app) => {
          app.register(load("@fastify/cookie"));
          app.register(load("@fastify/session"), {
            secret: OLD_SECRET,
            saveUninitialized: false,
            store: callbacks,
            cookie,
          });
        },
        (request) => ({
          get data() {
            return request.session as Shopper;
          },
          renew: () => request.session.regenerate!(),
          end: () => request.session.destroy!(),
        }),
      ),
    source: ({ callbacks }, options) => fastifySession({ secret: OLD_SECRET, store: callbacks, cookie, ...options }),
  },

  "@fastify/secure-session": {
    cookieName: "session",
    stored: false,
    listener: () =>
      fastify(
        (app) => app.register(load("@fastify/secure-session"), { key: KEY, cookie }),
        (request) => ({
          data: request.session as Shopper,
          renew: () => request.session.regenerate!(),
          end: () => request.session.delete!(),
        }),
      ),
    source: (_, options) => secureSession({ key: KEY, cookie, ...options }),
  },

  "koa-session": {
    cookieName: "koa.sess",
    stored: false,
    listener: () => koa({}),
    source: (_, options) => koaSession({ keys: [OLD_SECRET], sameSite: "lax", ...options }),
  },

  "koa-session with a store": {
    cookieName: "koa.sess",
    stored: true,
    listener: ({ koa: store }) => koa({ store }),
    source: ({ koa: store }, options) => koaSession({ keys: [OLD_SECRET], sameSite: "lax", store, ...options }),
  },

  "cookie-session": {
    cookieName: "session",
    stored: false,
    async listener() {
      const middleware = load("cookie-session")({ keys: [OLD_SECRET], ...cookie, maxAge: 3_600_000 });
      return (req, res) =>
        middleware(req, res, async () => {
          const request = req as IncomingMessage & { session: Shopper | null };
          const held: Held = {
            get data() {
              return request.session ?? {};
            },
            renew() {
              request.session = {};
            },
            end() {
              request.session = null;
            },
          };
          answer(res, await shop(held, req.url));
        });
    },
    source: (_, options) => cookieSession({ keys: [OLD_SECRET], ...cookie, maxAge: 3_600_000, ...options }),
  },

  "iron-session": {
    cookieName: "iron",
    stored: false,
    async listener() {
      const { getIronSession } = await import("iron-session");
      return async (req, res) => {
        const found = await getIronSession<Shopper>(req, res, {
          password: OLD_SECRET,
          cookieName: "iron",
          cookieOptions: cookie,
        });
        let isOver = false;
        const held: Held = {
          data: found,
          renew() {
            for (const key of Object.keys(found)) delete (found as unknown as Record<string, unknown>)[key];
          },
          end() {
            isOver = true;
            found.destroy();
          },
        };
        const shown = await shop(held, req.url);
        if (!isOver && req.url !== "/") await found.save();
        answer(res, shown);
      };
    },
    source: (_, options) =>
      ironSession({ password: OLD_SECRET, cookieName: "iron", cookieOptions: cookie, ...options }),
  },

  h3: {
    cookieName: "h3",
    stored: false,
    async listener() {
      const { H3, toNodeHandler, useSession } = await import("h3");
      const app = new H3();
      const config = { password: OLD_SECRET, cookie };
      app.all("/**", async (event) => {
        const session = await useSession<Shopper & Record<string, unknown>>(event, config);
        let data: Shopper | undefined = { ...session.data };
        const held: Held = {
          get data() {
            return data ?? {};
          },
          async renew() {
            await session.clear();
            data = {};
          },
          async end() {
            await session.clear();
            data = undefined;
          },
        };
        const shown = await shop(held, event.req.url);
        if (data !== undefined && event.url.pathname !== "/") await session.update(data as Record<string, unknown>);
        return shown as object;
      });
      return toNodeHandler(app) as RequestListener;
    },
    source: (_, options) => h3Session({ password: OLD_SECRET, cookie, ...options }),
  },
};

/** The same shop on coatcheck. */
export function newListener(sessions: Sessions<Shopper>): RequestListener {
  return session(sessions)(async ({ session, url }, res) => {
    const held: Held = {
      data: session.data as Shopper,
      async renew() {
        session.clear();
        await session.regenerate();
      },
      end: () => session.destroy(),
    };
    const shown = await shop(held, url);
    if (url?.startsWith("/login")) session.owner = session.data.passport?.user;
    answer(res, shown);
  }) as RequestListener;
}

export interface Running {
  readonly port: number;
  close(): Promise<void>;
}

export async function listen(listener: RequestListener): Promise<Running> {
  const server = createServer(listener);
  // A connection that the server ends when it was idle could take a request with it.
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () => new Promise((resolve) => void server.close(() => resolve()).closeAllConnections()),
  };
}

/** One user: sends and keeps cookies as a browser does. */
export class Client {
  readonly jar = new Map<string, string>();

  get header(): string {
    return [...this.jar].map(([name, value]) => `${name}=${value}`).join("; ");
  }

  /** @throws Error unless the answer is 200 */
  async get(port: number, path = "/"): Promise<Record<string, unknown>> {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { cookie: this.header } });
    const text = await response.text();
    if (response.status !== 200) throw new Error(`${path}: ${response.status} ${text}`);
    this.keep(response.headers.getSetCookie());
    return JSON.parse(text);
  }

  keep(cookies: readonly string[]): void {
    for (const cookie of cookies) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie)!;
      const isGone =
        /; *max-age=0\b/i.test(cookie) || new Date(/expires=([^;]+)/i.exec(cookie)?.[1] ?? NaN) < new Date();
      if (isGone) this.jar.delete(name!);
      else this.jar.set(name!, value!);
    }
  }
}

/** Stores in this process, which keep JSON as a database would. */
export function stores(): LegacyStores & { readonly records: Map<string, string> } {
  const records = new Map<string, string>();
  return {
    records,
    callbacks: {
      get: (id, done) => setImmediate(() => done(null, records.has(id) ? JSON.parse(records.get(id)!) : null)),
      set(id, record, done) {
        records.set(id, JSON.stringify(record));
        setImmediate(done);
      },
      destroy(id, done) {
        records.delete(id);
        setImmediate(done);
      },
    },
    koa: {
      get: async (id: string) => (records.has(id) ? JSON.parse(records.get(id)!) : undefined),
      set: async (id: string, record: object) => void records.set(id, JSON.stringify(record)),
      destroy: async (id: string) => void records.delete(id),
    },
  };
}

/** express-session asks its store to be an event emitter that makes sessions. */
function storeFor(store: LegacyStore): object {
  const { Store } = load("express-session");
  if (store instanceof Store) return store as object;
  const made = new Store();
  for (const method of ["get", "set", "destroy"] as const) made[method] = store[method].bind(store);
  return made;
}

async function koa(options: object): Promise<RequestListener> {
  const Koa = load("koa");
  const app = new Koa();
  app.keys = [OLD_SECRET];
  app.use(load("koa-session").default({ sameSite: "lax", ...options }, app));
  app.use(async (ctx: { session: Shopper | null; url: string; body: unknown }) => {
    const held: Held = {
      get data() {
        return ctx.session ?? {};
      },
      renew() {
        ctx.session = {};
      },
      end() {
        ctx.session = null;
      },
    };
    ctx.body = await shop(held, ctx.url);
  });
  return app.callback();
}

interface FastifyApp {
  register(plugin: unknown, options?: object): void;
}

type FastifyRequest = { url: string; session: Record<string, (() => Promise<void>) | undefined> };

async function fastify(
  prepare: (app: FastifyApp) => void,
  hold: (request: FastifyRequest) => Held,
): Promise<RequestListener> {
  const app = load("fastify")();
  prepare(app);
  app.get("/*", async (request: FastifyRequest) => shop(hold(request), request.url));
  await app.ready();
  return (req, res) => app.routing(req, res);
}

function fail(res: ServerResponse, error: unknown): void {
  res.statusCode = 500;
  res.end(String(error));
}
