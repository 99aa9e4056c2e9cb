// coatcheck's adapter for Fastify under the names of @fastify/session, for that package's own tests. It translates options,
// names and the spelling of a cookie, and nothing else: what becomes of a session is coatcheck's doing.

import { createHash } from "node:crypto";
import type { FastifyPluginCallback, FastifyRequest } from "fastify";
import { session as adapter } from "../../src/adapters/fastify.ts";
import { type CookieOptions, createSessions, type Session, type SessionCallback } from "../../src/index.ts";
import { fastifySession } from "../../src/legacy/index.ts";
import type { LegacyStore } from "../../src/legacy/stored.ts";
import { fromExpressStore } from "../../src/stores/express-session/index.ts";
import { memory } from "../../src/stores/memory/index.ts";

interface Options {
  secret: string | string[];
  store?: LegacyStore;
  cookieName?: string;
  cookiePrefix?: string;
  rolling?: boolean;
  cookie?: {
    secure?: boolean | "auto";
    sameSite?: boolean | "lax" | "strict" | "none";
    path?: string;
    domain?: string;
    maxAge?: number;
    partitioned?: boolean;
  };
}

/** Under which a request has coatcheck's session. */
const OURS = "coatcheck";
/** The cookie, which the tests meet under the name that they give it. */
const TICKET = "coatcheck-ticket";
/** The value that tells it from a cookie of @fastify/session. */
export const TICKET_SYNTAX = String.raw`[\w-]{40}`;
const IS_TICKET = new RegExp(`^${TICKET_SYNTAX}$`);

/**
 * Its sessions are in the store that was given, by `fromExpressStore`. Those that @fastify/session has left in the same
 * store are taken over.
 */
export function facade(options: Options): FastifyPluginCallback {
  const { secret, store, cookieName = "sessionId", cookiePrefix = "", rolling = true, cookie = {} } = options;
  const { maxAge } = cookie;
  const sessions = createSessions({
    store: store === undefined ? memory() : fromExpressStore(store),
    // Theirs may be shorter, and an array of them has no order of its own.
    secret: createHash("sha256").update(String(secret)).digest("hex"),
    legacy: store === undefined ? [] : [fastifySession({ secret, store, cookieName, cookiePrefix, rolling, cookie })],
    cookie: { name: TICKET, ...ourCookie(cookie), ...(maxAge && { maxAge }) },
    ...(maxAge && { idleTimeout: maxAge }),
  });

  const plugin: FastifyPluginCallback = (fastify, _options, done) => {
    fastify.addHook("onRequest", ({ raw: { headers } }, _reply, done) => {
      const cookies = headers.cookie?.split(/; */).map((cookie) => {
        const value = cookie.startsWith(`${cookieName}=`) ? cookie.slice(cookieName.length + 1) : "";
        return IS_TICKET.test(value) ? `${TICKET}=${value}` : cookie;
      });
      if (cookies !== undefined) headers.cookie = cookies.join("; ");
      done();
    });
    fastify.register(adapter(sessions, { property: OURS }));
    const named = new WeakMap<object, object>();
    fastify.decorateRequest("session", {
      getter(this: FastifyRequest) {
        const session = (this as FastifyRequest & { [OURS]: Session })[OURS];
        if (!named.has(session)) named.set(session, underTheirNames(session));
        return named.get(session);
      },
    } as never);
    // The tests put sessions of @fastify/session into it, which are to be taken over.
    fastify.decorateRequest("sessionStore", { getter: () => store } as never);
    fastify.addHook("onSend", (_request, reply, payload, done) => {
      const cookies = [reply.getHeader("set-cookie") ?? []]
        .flat()
        .map((text) => inTheirSpelling(String(text).replace(`${TICKET}=`, `${cookieName}=`)));
      if (cookies.length > 0) {
        reply.removeHeader("set-cookie");
        reply.header("set-cookie", cookies.length === 1 ? cookies[0] : cookies);
      }
      done(null, payload);
    });
    fastify.addHook("onClose", () => sessions.close());
    done();
  };
  return Object.assign(plugin, { [Symbol.for("skip-override")]: true });
}

const SAME_SITES = { lax: "Lax", strict: "Strict", none: "None", true: "Strict", false: "Lax" } as const;

function ourCookie({
  secure = true,
  sameSite = false,
  path,
  domain,
  partitioned,
}: Required<Options>["cookie"]): CookieOptions {
  return {
    secure,
    sameSite: SAME_SITES[`${sameSite}`],
    ...(path !== undefined && { path }),
    ...(domain !== undefined && { domain }),
    ...(partitioned !== undefined && { partitioned }),
  };
}

/** The session's keys are its properties, beside its methods. */
function underTheirNames(session: Session): object {
  const theirs = {
    get: session.get.bind(session),
    set: session.set.bind(session),
    save: (callback?: SessionCallback) => ended(session.save(), callback),
    reload: (callback?: SessionCallback) => ended(session.reload(), callback),
    destroy: (callback?: SessionCallback) => ended(session.destroy(), callback),
    options: ({ maxAge }: { maxAge: number }) => session.persist(maxAge),
    /** A list names the keys that stay. */
    regenerate(kept?: string[] | SessionCallback, callback = typeof kept === "function" ? kept : undefined) {
      return ended(session.regenerate({ keep: Array.isArray(kept) ? kept : [] }), callback);
    },
    get sessionId() {
      return session.id;
    },
  };
  return new Proxy(session.data, {
    get: (data, name) => Reflect.get(name in theirs ? theirs : data, name),
  });
}

/** The end of a call, by callback or as a promise. */
function ended(done: Promise<unknown>, callback: SessionCallback | undefined): Promise<unknown> | undefined {
  if (callback === undefined) return done;
  done.then(() => callback(null), callback);
  return undefined;
}

const ATTRIBUTES = ["Domain", "Path", "Expires", "HttpOnly", "Secure", "Partitioned", "SameSite"];

/** Attributes in another order, and an end in place of an age: to a browser it is the same cookie. */
function inTheirSpelling(cookie: string): string {
  const [pair, ...attributes] = cookie.split("; ");
  const nameOf = (attribute: string) => attribute.split("=")[0]!;
  const spelled = attributes.map((attribute) => {
    if (nameOf(attribute) !== "Max-Age") return attribute;
    return `Expires=${new Date(Date.now() + Number(attribute.slice(8)) * 1000).toUTCString()}`;
  });
  spelled.sort((one, other) => ATTRIBUTES.indexOf(nameOf(one)) - ATTRIBUTES.indexOf(nameOf(other)));
  return [pair, ...spelled].join("; ");
}
