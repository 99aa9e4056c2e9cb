// The adapter for Astro.

import type { APIContext } from "astro";
import type { AdapterSession, CoatcheckError, SessionData, Sessions, SessionsOptions } from "../index.ts";
import type { Locals, WithSession } from "./app-locals.ts";
import { respondToAstro, respondToFailed } from "./astro/error-response.ts";
import { requestAfter } from "./astro/request-after.ts";
import { commitResponse } from "./commit-response.ts";
import { ownError } from "./error-response.ts";
import { changeMode } from "./open-session.ts";
import {
  checkAdapterOptions,
  modeOf,
  openOptions,
  PROPERTY_NAMES,
  type PropertyOptions,
  sessionsFrom,
} from "./options.ts";
import { sessionFound } from "./property-errors.ts";

export { type SessionDriver, type SessionDriverOptions, sessionDriver } from "./astro/session-driver.ts";

declare global {
  namespace App {
    interface Locals extends WithSession {}
  }
}

export interface AstroOptions extends PropertyOptions<APIContext> {
  /** Where `Astro.locals` has the session. Two kinds of sessions in one application need two names. Default: `"session"`. */
  property?: string;
  /**
   * Gives the response to a request whose session can't be opened or committed. Default: a text with the error's status (503
   * if the store is down), and the application's page `500` for status 500.
   */
  onError?: (error: CoatcheckError, context: APIContext) => Response | Promise<Response>;
}

/** A middleware function of Astro. */
export type Middleware = (context: APIContext, next: () => Promise<Response>) => Promise<Response>;

/**
 * Sessions for Astro, in `src/middleware.ts`: `export const onRequest = session(sessions)`. Then `Astro.locals.session` is
 * there in pages, and `context.locals.session` in endpoints, actions and server islands. Other middleware follows it:
 * `sequence(session(sessions), guard)`. Pages that are rendered at build time have no session.
 *
 * Astro sends a page while it renders the components in it. So write in the page itself, in an action or in an endpoint;
 * the components can read.
 *
 * ```astro
 * ---
 * const { session } = Astro.locals;
 * session.update("visits", (visits = 0) => visits + 1);
 * ---
 * ```
 *
 * @throws OptionError if options are given and one is wrong.
 */
export function session<Data extends object = SessionData>(
  sessionsOrOptions?: Sessions<Data> | SessionsOptions<Data>,
  options: AstroOptions = {},
): Middleware {
  checkAdapterOptions(options, { ...PROPERTY_NAMES, onError: true });
  const sessions = sessionsFrom(sessionsOrOptions);
  const { property = "session", onError = respondToAstro } = options;
  const finished = new WeakSet<object>();

  return async function coatcheck(context, next) {
    if (context.isPrerendered) return next();
    const locals = context.locals as unknown as Locals;
    const mode = modeOf(options, context);
    let source = context.request;
    const found = sessionFound(sessions, property, locals[property], "Astro.locals");
    if (found !== undefined) {
      if (!finished.has(found)) return share(found);
      // The page for an error is another run for the same request.
      source = await requestAfter(source, found);
      locals[property] = undefined;
    }
    if (mode === "none") return next();
    let opened: AdapterSession<Data>;
    try {
      opened = await sessions.openMaybeSync(source, openOptions(options, context, mode));
    } catch (error) {
      return respond(error, context);
    }
    locals[property] = opened;
    const handle = async () => {
      const response = await next();
      // Components that are rendered later may read the session, which is too late for a header.
      if (response.body !== null && response.headers.get("content-type")?.startsWith("text/html")) void opened.id;
      return response;
    };
    try {
      return await commitResponse(opened, options, handle, (error) => respond(error, context));
    } catch (error) {
      return respondToFailed(opened, error);
    } finally {
      finished.add(opened);
    }

    /** A rewrite runs the middleware again, inside of the first run. */
    async function share(outer: AdapterSession<Data>): Promise<Response> {
      try {
        await changeMode(outer, mode);
      } catch (error) {
        return respond(error, context);
      }
      if (mode === "none") locals[property] = undefined;
      return next();
    }
  };

  function respond(error: unknown, context: APIContext): Response | Promise<Response> {
    return onError(ownError(error), context);
  }
}
