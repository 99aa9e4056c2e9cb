// The adapter for Astro.

import type { APIContext } from "astro";
import {
  type AdapterSession,
  CoatcheckError,
  type SessionData,
  type Sessions,
  type SessionsOptions,
} from "../index.ts";
import type { Locals, WithSession } from "./app-locals.ts";
import { type CommittedSession, commitResponse, respondToError, withSessionHeaders } from "./commit-response.ts";
import {
  checkAdapterOptions,
  foreignSessionError,
  modeOf,
  openOptions,
  PROPERTY_NAMES,
  type PropertyOptions,
  sessionsFrom,
  statusOf,
} from "./options.ts";

export { type SessionDriver, type SessionDriverOptions, sessionDriver } from "./astro-driver.ts";

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
    const found = locals[property];
    if (found !== undefined && found !== null) {
      if (!sessions.owns(found)) throw foreignSessionError(property, found, "Astro.locals");
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
        if (mode !== undefined) await outer.changeMode(mode === "none" ? "readonly" : mode);
      } catch (error) {
        return respond(error, context);
      }
      if (mode === "none") locals[property] = undefined;
      return next();
    }
  };

  function respond(error: unknown, context: APIContext): Response | Promise<Response> {
    if (error instanceof CoatcheckError) return onError(error, context);
    throw error;
  }
}

/** Astro shows the application's page `500` in the place of an empty response with this status, and keeps its headers. */
function respondToAstro(error: CoatcheckError): Response {
  const response = respondToError(error);
  return statusOf(error) === 500 ? new Response(null, { status: 500 }) : response;
}

/**
 * Astro answers what a page throws. But if the ticket was regenerated before, the browser needs the new one: the old one is
 * invalid.
 * @throws the error, if the browser needs nothing.
 */
async function respondToFailed(session: CommittedSession, error: unknown): Promise<Response> {
  const cookies = await session.commit();
  if (cookies.length === 0 && session.ticketHeader?.value === undefined) throw error;
  console.error(error);
  return withSessionHeaders(new Response(null, { status: 500 }), cookies, session);
}

/** The request as its client would send it after the response of this session. */
async function requestAfter(request: Request, session: CommittedSession): Promise<Request> {
  const cookies = await session.commit();
  const { ticketHeader } = session;
  if (cookies.length === 0 && ticketHeader?.value === undefined) return request;
  const headers = new Headers(request.headers);
  if (ticketHeader?.value !== undefined) headers.set(ticketHeader.name, ticketHeader.value);
  let sent = headers.get("cookie")?.split(/; */) ?? [];
  for (const cookie of cookies) {
    const text = cookie.split(";", 1)[0]!;
    sent = sent.filter((one) => !one.startsWith(text.slice(0, text.indexOf("=") + 1)));
    if (!/; Max-Age=0\b/i.test(cookie)) sent.push(text);
  }
  headers.set("cookie", sent.join("; "));
  return new Request(request.url, { headers, signal: request.signal });
}
