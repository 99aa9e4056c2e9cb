// The adapter for Koa 2 and 3.

import type { DefaultState, ExtendableContext, Middleware } from "koa";
import type { Session, SessionData, Sessions, SessionsOptions } from "../index.ts";
import { commitFailed } from "./commit-response.ts";
import { type CsrfCheckOptions, csrfCheck } from "./csrf.ts";
import { isAnswer, statusOf } from "./error-response.ts";
import { clearForError, commitBeforeHeaders } from "./held-response.ts";
import { letGo, shareSession } from "./open-session.ts";
import {
  checkAdapterOptions,
  modeOf,
  openOptions,
  PROPERTY_NAMES,
  type PropertyOptions,
  sessionsFrom,
} from "./options.ts";
import { replacedSessionError, sessionFound } from "./property-errors.ts";
import { setSessionHeaders } from "./session-headers.ts";

declare module "koa" {
  interface DefaultContext extends SessionContext {}
}

/** What the context of an application has. For data of another type: `new Koa<DefaultState, SessionContext<Data>>()`. */
export interface SessionContext<Data extends object = SessionData> {
  /** This user's session. Undefined if the mode is `"none"`. */
  session: Session<Data>;
}

export interface KoaOptions extends PropertyOptions<ExtendableContext> {
  /** Where `ctx` has the session. Two kinds of sessions in one application need two names. Default: `"session"`. */
  property?: string;
}

/**
 * Sessions for Koa, before the middleware that use `ctx.session`.
 *
 * ```ts
 * app.use(session(sessions));
 * app.use((ctx) => {
 *   ctx.body = `${ctx.session.update("visits", (n = 0) => n + 1)} visits`;
 * });
 * ```
 *
 * A route that uses the session in another way has it again: `router.post("/checkout", session(sessions, { mode:
 * "exclusive" }), …)`. The session is committed when the middleware after it have finished. Its errors are thrown like those
 * of any middleware, with a `status` (503 if the store is down). What `ctx.throw(404)` throws is an answer: below status 500
 * the request's changes are saved.
 *
 * @throws OptionError if options are given and one is wrong.
 */
export function session<Data extends object = SessionData>(
  sessionsOrOptions?: Sessions<Data> | SessionsOptions<Data>,
  options: KoaOptions = {},
): Middleware<DefaultState, object> {
  checkAdapterOptions(options, PROPERTY_NAMES);
  const sessions = sessionsFrom(sessionsOrOptions);
  const { property = "session", saveFailed = false } = options;

  return async function coatcheck(ctx, next) {
    const context = ctx as unknown as Record<string, unknown>;
    const { req, res } = ctx;
    const mode = modeOf(options, ctx);
    const found = sessionFound(sessions, property, context[property], "ctx");
    if (found !== undefined) return shareSession(found, mode, context, property, next);
    if (mode === "none") return next();
    // Koa says how the browser's request came where it is told which proxies to trust.
    const secure = ctx.app.proxy ? ctx.secure : undefined;
    const opened = await sessions.openMaybeSync(req, openOptions(options, ctx, mode, secure));
    try {
      // For handlers that write the response themselves, and for Koa's `onerror`, which removes the headers that are set.
      commitBeforeHeaders(res, ctx, undefined, opened, saveFailed, (error) => ctx.onerror(error as Error));
    } catch (error) {
      letGo(opened);
      throw error;
    }
    context[property] = opened;
    try {
      await next();
      const other = context[property];
      if (other !== opened && other !== undefined) {
        context[property] = opened;
        throw replacedSessionError("ctx", property);
      }
    } catch (error) {
      await commitFailed(opened, saveFailed || isAnswer(error));
      throw error;
    }
    if (res.headersSent) return;
    if (ctx.status >= 500 && !saveFailed) opened.discard();
    try {
      setSessionHeaders(res, await opened.commit(), opened);
    } catch (error) {
      clearForError(res);
      ctx.body = undefined;
      ctx.status = statusOf(error);
      throw error;
    }
  };
}

/**
 * Refuses requests that a page of another site may have sent in the user's name (403): see
 * `session.checkCsrf`. Put it after `session()` and
 * after the parser of bodies: `app.use(csrf())`.
 *
 * @throws OptionError if an option is wrong.
 */
export function csrf(options: CsrfCheckOptions = {}): Middleware<DefaultState, object> {
  const check = csrfCheck(options);
  return (ctx, next) => {
    check(ctx.method, ctx, { body: (ctx.request as { body?: unknown }).body, query: ctx.query });
    return next();
  };
}
