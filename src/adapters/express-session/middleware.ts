// The middleware: gives each request its session, and holds the response until it is saved.

import type { IncomingMessage, ServerResponse } from "node:http";
import { signingKey, unsign } from "../../cookies/signature.ts";
import { CapabilityError, CoatcheckError } from "../../errors.ts";
import { isHandshake } from "../engine-io.ts";
import { commitBeforeHeaders } from "../held-response.ts";
import { appendCookies } from "../session-headers.ts";
import { CoatcheckStore } from "./coatcheck-store.ts";
import { readCookie } from "./cookie.ts";
import { Exchange, saveBeforeEnd } from "./exchange.ts";
import { type SessionRequest, type StoredData, WATCH } from "./session.ts";
import { type SessionOptions, type Settings, settingsFrom } from "./settings.ts";

/** A middleware function of Express and Connect. */
export interface SessionMiddleware {
  (req: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void): void;
  /**
   * Ends every session of a user, as the option `owner` names users: "log out everywhere". Resolves with their number.
   * @throws CapabilityError unless the store is one of coatcheck's.
   */
  revokeAll(user: string): Promise<number>;
  /** Closes a coatcheck store. Call it when the server takes no more requests. */
  close(): Promise<void>;
}

/**
 * Sessions as those of express-session: `app.use(session({ secret, resave: false, saveUninitialized: false }))`. With a
 * store of coatcheck, as `store: redis({ … })`, parallel requests keep each other's keys, and an ended session stays ended.
 *
 * @throws OptionError naming the option, its value and the fix.
 */
export function session(options: SessionOptions = {}): SessionMiddleware {
  const settings = settingsFrom(options);
  const { store } = settings;
  let isConnected = true;
  store.on?.("disconnect", () => {
    isConnected = false;
  });
  store.on?.("connect", () => {
    isConnected = true;
  });
  store.generate = (req) => (req as SessionRequest & { [WATCH]?: Exchange })[WATCH]?.generate();

  const middleware = function session(message: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void) {
    const req = message as SessionRequest;
    if (req.session || !isConnected || !isInPath(req, settings)) {
      next();
      return;
    }
    const keys = keysFor(settings, req);
    if (keys.length === 0) {
      next(new CoatcheckError("COATCHECK_OPTION", "coatcheck: the option secret is required for sessions."));
      return;
    }
    req.sessionStore = store;
    const id = idOf(req, settings.name, keys);
    const exchange = new Exchange(req, settings, keys[0]!, id, next);
    const start = (error?: unknown) => {
      if (error !== undefined) {
        next(error);
        return;
      }
      if (isHandshake(req, res)) commitAtHandshake(res, exchange);
      else {
        commitBeforeHeaders(res, req, undefined, exchange, true, next);
        saveBeforeEnd(res, exchange, next);
      }
      next();
    };
    const begin = () => {
      try {
        const generating = exchange.generate();
        if (generating === undefined) start();
        else generating.then(() => start(), start);
      } catch (error) {
        next(error);
      }
    };
    if (id === undefined) {
      begin();
      return;
    }
    req.sessionID = id;
    const now = store instanceof CoatcheckStore ? store.getNow(id) : undefined;
    const got = (error: unknown, data: StoredData | null | undefined) => {
      if (error && (error as { code?: unknown }).code !== "ENOENT") {
        next(error);
      } else if (error || !data) {
        begin();
      } else {
        try {
          exchange.load(data);
        } catch (error) {
          next(error);
          return;
        }
        start();
      }
    };
    if (now === undefined) store.get(id, got);
    else got(undefined, now);
  };
  return Object.assign(middleware, {
    async revokeAll(user: string) {
      if (store instanceof CoatcheckStore) return store.revokeAll(user);
      throw new CapabilityError("revokeAll()", "list", "it has to be one of coatcheck's, such as redis({ … })");
    },
    async close() {
      if (store instanceof CoatcheckStore) await store.close();
    },
  });
}

/** A request for another path has no session, since its browser would not send the cookie. */
function isInPath(req: SessionRequest, { cookie }: Settings): boolean {
  const { path = "/" } = typeof cookie === "function" ? cookie(req) : cookie;
  return path === "/" || pathOf(req).startsWith(path ?? "/");
}

/** The path that the browser asked for, before routers took their part off. */
function pathOf(req: IncomingMessage): string {
  const url = (req as IncomingMessage & { originalUrl?: string }).originalUrl || req.url || "/";
  const path = url.startsWith("/") ? url : url.replace(/^[a-z][a-z\d+.-]*:\/\/[^/?#]*/i, "");
  return path.replace(/[?#].*$/s, "") || "/";
}

/** Applications that gave the secret to `cookie-parser` have it on the request. */
function keysFor({ keys }: Settings, req: SessionRequest): Settings["keys"] {
  const { secret } = req as { secret?: string };
  return keys.length > 0 || !secret ? keys : [signingKey(secret)];
}

/** The id in the request's cookie, if its signature is right. `cookie-parser` may have read it, and checked it, before. */
function idOf(req: SessionRequest, name: string, keys: Settings["keys"]): string | undefined {
  const text = readCookie(req.headers.cookie, name);
  const id = text?.startsWith("s:") ? unsign(text.slice(2), keys) : undefined;
  if (id) return id;
  const { cookies, signedCookies } = req as Partial<Record<"cookies" | "signedCookies", Record<string, unknown>>>;
  const checked = signedCookies?.[name];
  if (typeof checked === "string" && checked !== "") return checked;
  const raw = cookies?.[name];
  return (typeof raw === "string" && raw.startsWith("s:") && unsign(raw.slice(2), keys)) || undefined;
}

/** A handshake of a WebSocket does not wait, so its session is saved while it is answered. */
function commitAtHandshake(res: ServerResponse, exchange: Exchange): void {
  const { writeHead } = res;
  res.writeHead = function writeHeadWithCookie(this: ServerResponse, ...args: unknown[]) {
    res.writeHead = writeHead;
    const cookies = exchange.setCookie();
    if (cookies.length > 0) appendCookies(res, cookies);
    exchange.settle()?.catch((error) => process.emitWarning(error));
    return (writeHead as (...args: unknown[]) => ServerResponse).apply(this, args);
  } as ServerResponse["writeHead"];
}
