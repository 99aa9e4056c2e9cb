// The adapter for Hono 4.

import type { Context, MiddlewareHandler } from "hono";
import type { Session, SessionData, Sessions, SessionsOptions } from "../index.ts";
import { commitResponse, withoutBody } from "./commit-response.ts";
import { type CsrfCheckOptions, checkedOptions, sessionIn } from "./csrf.ts";
import { isAnswer, withErrorsAs } from "./error-response.ts";
import { replaceResponse, type Variables } from "./hono/context.ts";
import { exceptionOf } from "./hono/http-exception.ts";
import { parsedBody } from "./hono/parsed-body.ts";
import { changeMode } from "./open-session.ts";
import {
  checkAdapterOptions,
  modeOf,
  openOptions,
  PROPERTY_NAMES,
  type PropertyOptions,
  sessionsFrom,
} from "./options.ts";
import { replacedSessionError, sessionFound } from "./property-errors.ts";

declare module "hono" {
  interface ContextVariableMap extends SessionVariables {}
}

/** The variables of a context. For data of another type: `new Hono<{ Variables: SessionVariables<Data> }>()`. */
export interface SessionVariables<Data extends object = SessionData> {
  /** This user's session. Undefined if the mode is `"none"`. */
  session: Session<Data>;
}

export interface HonoOptions<Property extends string = "session"> extends PropertyOptions<Context> {
  /** The variable that has the session. Two kinds of sessions in one application need two names. Default: `"session"`. */
  property?: Property;
}

/**
 * Sessions for Hono, on every runtime, before the handlers that use `c.get("session")`.
 *
 * ```ts
 * app.use(session(sessions));
 * app.get("/", (c) => c.text(`${c.get("session").update("visits", (n = 0) => n + 1)} visits`));
 * ```
 *
 * A route that uses the session in another way has it again: `app.post("/checkout", session(sessions, { mode: "exclusive"
 * }), …)`. If the session can't be opened or committed, `app.onError` gets an `HTTPException` with the error's status (503 if
 * the store is down) and the error as its `cause`, or the error itself if its status is 500. What a handler throws with a
 * status below 500, such as `HTTPException(404)`, is an answer: the request's changes are saved.
 *
 * @throws OptionError if options are given and one is wrong.
 */
export function session<Data extends object = SessionData, const Property extends string = "session">(
  sessionsOrOptions?: Sessions<Data> | SessionsOptions<Data>,
  options: HonoOptions<Property> = {},
): MiddlewareHandler<{ Variables: { [Name in Property]: Session<Data> } }> {
  checkAdapterOptions(options, PROPERTY_NAMES);
  const sessions = sessionsFrom(sessionsOrOptions);
  const { property = "session", saveFailed = false } = options;

  return async function coatcheck(c: Context, next) {
    const mode = modeOf(options, c);
    const variables = c as Variables;
    const found = sessionFound(sessions, property, variables.get(property), "c.var");
    if (found !== undefined) {
      await withErrorsAs(exceptionOf, () => changeMode(found, mode));
      if (mode === "none") variables.set(property, undefined);
      await next();
      if (mode === "none") variables.set(property, found);
      return;
    }
    if (mode === "none") return next();
    const opened = await withErrorsAs(exceptionOf, () =>
      sessions.openMaybeSync(c.req.raw, openOptions(options, c, mode)),
    );
    variables.set(property, opened);
    let response: Response | undefined;
    const handle = async () => {
      await next();
      response = c.res;
      const other = variables.get(property);
      if (other !== opened && other !== undefined) throw replacedSessionError("c.var", property);
      // Hono has answered already what a handler has thrown.
      const hasFailed = !c.finalized || (c.error !== undefined && !isAnswer(c.error));
      if (hasFailed && !saveFailed) opened.discard();
      return response;
    };
    const answer = await commitResponse(opened, options, handle, async (error) => {
      replaceResponse(c, await withoutBody(response!, opened));
      throw exceptionOf(error);
    });
    if (c.finalized && answer !== response) replaceResponse(c, answer);
  };
}

/**
 * Refuses requests that a page of another site may have sent in the user's name (403): see
 * `session.checkCsrf`. Put it after `session()`:
 * `app.use(csrf())`. Only where the token decides, it parses the body, which Hono keeps for the handler.
 *
 * @throws OptionError if an option is wrong.
 */
export function csrf(options: CsrfCheckOptions = {}): MiddlewareHandler {
  const { origins, property } = checkedOptions(options);
  return async (c, next) => {
    const session = sessionIn(c.req.method, { [property]: (c as Variables).get(property) }, property);
    try {
      if (session?.csrfTokenDecides({ origins })) {
        session.checkCsrf({ origins, query: c.req.query(), body: await parsedBody(c) });
      }
    } catch (error) {
      throw exceptionOf(error);
    }
    await next();
  };
}
