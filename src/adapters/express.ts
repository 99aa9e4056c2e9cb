// The adapter for Express 4 and 5, and for Connect.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { SessionData, Sessions, SessionsOptions } from "../index.ts";
import { type CsrfCheckOptions, csrfCheck } from "./csrf.ts";
import { commitAtHandshake, isConnection, isHandshake } from "./engine-io.ts";
import type { SessionOf } from "./express-request.ts";
import { commitBeforeHeaders } from "./held-response.ts";
import { giveSession, type HoldBack } from "./node-session.ts";
import { checkAdapterOptions, PROPERTY_NAMES, type PropertyOptions, sessionsFrom } from "./options.ts";

declare global {
  namespace Express {
    interface Request extends WithSession<Request> {}
  }
  namespace CoatcheckSession {
    interface Kinds {
      express: true;
    }
  }
}

/** A request with a session. Inherited, so that a session of express-session's types may stand beside it: theirs holds then. */
interface WithSession<Request> {
  /** This user's session. Undefined if the mode is `"none"`. */
  session: SessionOf<Request>;
}

export interface ExpressOptions extends PropertyOptions<IncomingMessage> {}

/** A middleware function of Express 4 and 5 and of Connect. */
export type Middleware = (req: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void) => void;

/**
 * Sessions for Express 4 and 5 and Connect: `app.use(session(sessions))`. Put it after the middleware for files, which need
 * no session. A route that uses the session in another way has it again: `app.post("/checkout", session(sessions,
 * { mode: "exclusive" }), …)`. Errors of the session go to the application's error handler, with a `status` (503 if the
 * store is down).
 *
 * @throws OptionError if options are given and one is wrong.
 */
export function session<Data extends object = SessionData>(
  sessionsOrOptions?: Sessions<Data> | SessionsOptions<Data>,
  options: ExpressOptions = {},
): Middleware {
  checkAdapterOptions(options, PROPERTY_NAMES);
  const sessions = sessionsFrom(sessionsOrOptions);
  return function coatcheck(req, res, next) {
    giveSession(sessions, options, req, res, isHttps(req), next, holdBack);
  };
}

/** A connection of Socket.IO begins with a request that comes by Express, too, and goes on using its session. */
const holdBack: HoldBack = (res, req, property, session, saveFailed, fail) => {
  if (isConnection(req)) session.keepOpen();
  if (isHandshake(req, res)) commitAtHandshake(res, session);
  else commitBeforeHeaders(res, req, property, session, saveFailed, fail);
};

/** How the browser's request came, as Express says it where it is told which proxies to trust. */
function isHttps(req: IncomingMessage): boolean | undefined {
  const request = req as { app?: { get?(setting: string): unknown }; secure?: boolean };
  return typeof request.app?.get === "function" && request.app.get("trust proxy") ? request.secure : undefined;
}

/**
 * Refuses requests that a page of another site may have sent in the user's name (403): see
 * `session.checkCsrf`. Put it after `session()` and
 * after the parsers of bodies: `app.use(csrf())`.
 *
 * @throws OptionError if an option is wrong.
 */
export function csrf(options: CsrfCheckOptions = {}): Middleware {
  const check = csrfCheck(options);
  return (req, _res, next) => {
    try {
      check(req.method, req, req as { body?: unknown; query?: unknown });
    } catch (error) {
      next(error);
      return;
    }
    next();
  };
}
