// The adapter for h3 2, and so for Nitro 3.

import type { H3Event, Middleware } from "h3";
import type { Session, SessionData, Sessions, SessionsOptions } from "../index.ts";
import { type CsrfCheckOptions, csrfCheck } from "./csrf.ts";
import { isAnswer } from "./error-response.ts";
import { commitEvent, hasFailed } from "./h3/commit-event.ts";
import { shareSession } from "./open-session.ts";
import {
  checkAdapterOptions,
  modeOf,
  openOptions,
  PROPERTY_NAMES,
  type PropertyOptions,
  sessionsFrom,
} from "./options.ts";
import { replacedSessionError, sessionFound } from "./property-errors.ts";

declare module "h3" {
  interface H3EventContext extends SessionContext {}
}

/** What the context of an event has. */
export interface SessionContext<Data extends object = SessionData> {
  /** This user's session. Undefined if the mode is `"none"`. */
  session: Session<Data>;
}

export interface H3Options extends PropertyOptions<H3Event> {
  /** Where `event.context` has the session. Two kinds of sessions in one application need two names. Default: `"session"`. */
  property?: string;
}

/**
 * Sessions for h3, on every runtime, before the handlers that use `event.context.session`.
 *
 * ```ts
 * app.use(session(sessions));
 * app.get("/", ({ context }) => `${context.session.update("visits", (n = 0) => n + 1)} visits`);
 * ```
 *
 * In Nitro: `export default session(sessions)` in `server/middleware/session.ts`. A route that uses the session in another way
 * has it again: `app.post("/checkout", handler, { middleware: [session(sessions, { mode: "exclusive" })] })`. Errors of the
 * session are thrown as those of any middleware, with a `status` (503 if the store is down). What is thrown with a status below
 * 500, such as `HTTPError.status(404)`, is an answer: the request's changes are saved.
 *
 * What `fromNodeHandler` and `defineNodeHandler` run sends its headers before the commit, so a new session's cookie is lost
 * there: such a handler needs `coatcheck/node` around it, and the mode `"none"` here.
 *
 * @throws OptionError if options are given and one is wrong.
 */
export function session<Data extends object = SessionData>(
  sessionsOrOptions?: Sessions<Data> | SessionsOptions<Data>,
  options: H3Options = {},
): Middleware {
  checkAdapterOptions(options, PROPERTY_NAMES);
  const sessions = sessionsFrom(sessionsOrOptions);
  const { property = "session", saveFailed = false } = options;

  return async function coatcheck(event, next) {
    const context = event.context as unknown as Record<string, unknown>;
    const mode = modeOf(options, event);
    const found = sessionFound(sessions, property, context[property], "event.context");
    if (found !== undefined) return shareSession(found, mode, context, property, next);
    if (mode === "none") return next();
    const opened = await sessions.openMaybeSync(event.req, openOptions(options, event, mode));
    context[property] = opened;
    let value: unknown;
    try {
      value = await next();
      const other = context[property];
      if (other !== opened && other !== undefined) throw replacedSessionError("event.context", property);
      if (hasFailed(value, event) && !saveFailed) opened.discard();
    } catch (error) {
      if (!isAnswer(error) && !saveFailed) opened.discard();
      await commitEvent(event, opened, error);
      throw error;
    }
    return commitEvent(event, opened, value);
  };
}

/**
 * Refuses requests that a page of another site may have sent in the user's name (403): see
 * `session.checkCsrf`. Put it after `session()`:
 * `app.use(csrf())`. It takes the token of a header or of the query; a handler that has parsed a form calls
 * `context.session.checkCsrf({ body })` instead.
 *
 * @throws OptionError if an option is wrong.
 */
export function csrf(options: CsrfCheckOptions = {}): Middleware {
  const check = csrfCheck(options);
  return (event, next) => {
    check(event.req.method, event.context, { query: event.url.searchParams });
    return next();
  };
}
