// The adapter for Next.js with the App Router: Server Components, Server Actions, Route Handlers and the proxy.

import type { NextRequest } from "next/server.js";
import type { AdapterSession, CoatcheckError, Session, SessionData, Sessions, SessionsOptions } from "../index.ts";
import { commitFailed } from "./commit-response.ts";
import { session as fetchSession } from "./fetch.ts";
import { answerOf, currentRequest, reportLateChangesAfter, type Source, setCookies } from "./next-request.ts";
import {
  ADAPTER_NAMES,
  type AdapterOptions,
  checkAdapterOptions,
  modeOf,
  openOptions,
  sessionsFrom,
} from "./options.ts";

export { csrf } from "./fetch.ts";

/** A session as a Server Component sees it, which can't set cookies. */
export type ReadonlySession<Data extends object = SessionData> = Readonly<
  Pick<Session<Data>, "get" | "has" | "keys" | "id" | "owner" | "isNew" | "createdAt" | "expiresAt">
> & { readonly data: Readonly<Data> };

/** The options of an action. Its mode and `extend` may be functions of the request's headers. */
export interface ActionOptions extends AdapterOptions<Headers> {}

/** The options of a Route Handler or of the proxy. */
export interface HandlerOptions extends AdapterOptions<NextRequest> {
  /**
   * Gives the response to a request whose session can't be opened or committed. Errors of the handler are not caught.
   * Default: a response with the error's status (503 if the store is down).
   */
  onError?: (error: CoatcheckError, request: NextRequest) => Awaitable<Response>;
}

type Awaitable<T> = T | Promise<T>;

/** What `nextSessions` gives. */
export interface NextSessions<Data extends object = SessionData> {
  /**
   * The session, for reading: in Server Components, and wherever `cookies()` works. A render reads it once, however often
   * it is asked for. In an action or a handler of these sessions, it is the session that is open there.
   * @param options `extend: false` does not extend the session's life, as for a page that polls. The first call counts.
   */
  session(options?: { extend?: boolean }): Promise<ReadonlySession<Data>>;
  /** A Server Action with the session before its arguments. It is committed also if `redirect()` or `notFound()` ends it. */
  action<Args extends unknown[], Result>(
    handler: (session: Session<Data>, ...args: Args) => Awaitable<Result>,
    options?: ActionOptions,
  ): (...args: Args) => Promise<Result>;
  /** A Route Handler with the session after its request. It is committed also if `redirect()` or `notFound()` ends it. */
  withSession<Rest extends unknown[]>(
    handler: (request: NextRequest, session: Session<Data>, ...rest: Rest) => Awaitable<Response>,
    options?: HandlerOptions,
  ): (request: NextRequest, ...rest: Rest) => Promise<Response>;
  /** The default export of `proxy.ts`. Without a response of the handler, the request goes on, and finds what was written. */
  proxy<Rest extends unknown[]>(
    handler: (request: NextRequest, session: Session<Data>, ...rest: Rest) => Awaitable<Response | undefined | void>,
    options?: HandlerOptions,
  ): (request: NextRequest, ...rest: Rest) => Promise<Response>;
}

/**
 * Sessions for Next.js, in a file such as `lib/sessions.ts`. Next may load it several times, for pages, actions and handlers:
 * with `memory()`, keep the sessions on `globalThis`.
 *
 * ```ts
 * const global = globalThis as typeof globalThis & { sessions?: Sessions };
 * global.sessions ??= createSessions({ store: redis({ url }), secret });
 * export const { session, action, withSession, proxy } = nextSessions(global.sessions);
 * ```
 * ```tsx
 * const { data } = await session();                                   // a Server Component
 * export const add = action(async (session, form: FormData) => { … }); // a file with "use server"
 * export const GET = withSession((request, session) => Response.json(session.keys()));
 * ```
 *
 * @throws OptionError if options are given and one is wrong.
 */
export function nextSessions<Data extends object = SessionData>(
  sessionsOrOptions?: Sessions<Data> | SessionsOptions<Data>,
): NextSessions<Data> {
  const sessions = sessionsFrom(sessionsOrOptions);
  /** The sessions of the requests that run, by what `cookies()` gives: one object for each request, action and render. */
  const openSessions = new WeakMap<object, AdapterSession<Data> | Promise<AdapterSession<Data>>>();

  async function openToRead(source: Source, extend: boolean): Promise<AdapterSession<Data>> {
    const { io } = await import("next/cache.js");
    await io?.(); // a prerender must not go on to what looks at the clock
    const opened = await sessions.openMaybeSync(source, { mode: "readonly", extend });
    await opened.commit(); // which extends the session's life in the store, and needs no cookie
    await reportLateChangesAfter(opened);
    return opened;
  }

  return {
    async session({ extend = true } = {}) {
      const { cookies, source } = await currentRequest();
      const found = openSessions.get(cookies);
      if (found !== undefined) return found;
      const opening = openToRead(source, extend);
      openSessions.set(cookies, opening);
      return opening;
    },

    action(handler, options = {}) {
      checkAdapterOptions(options, ADAPTER_NAMES);
      const { saveFailed = false } = options;
      return async (...args) => {
        const { cookies, source } = await currentRequest();
        const mode = modeOf(options, source.headers);
        const outer = await openSessions.get(cookies);
        if (outer !== undefined) {
          if (mode !== undefined) await outer.changeMode(mode === "none" ? "readonly" : mode);
          return handler(mode === "none" ? (undefined as never) : outer, ...args);
        }
        if (mode === "none") return handler(undefined as never, ...args);
        const opened = await sessions.openMaybeSync(source, openOptions(options, source.headers, mode));
        openSessions.set(cookies, opened);
        try {
          const result = await handler(opened, ...args);
          await opened.commit();
          return result;
        } catch (error) {
          if (answerOf(error) === undefined) await commitFailed(opened, saveFailed);
          else await opened.commit();
          throw error;
        } finally {
          openSessions.delete(cookies);
          // Also after a failure: if the ticket was regenerated before it, the browser needs the new one.
          await setCookies(cookies, opened);
          await reportLateChangesAfter(opened);
        }
      };
    },

    withSession(handler, options) {
      return fetchSession(
        sessions,
        options,
      )(async (request, session, ...rest) => {
        const { cookies } = await currentRequest();
        const isOutermost = session !== undefined && !openSessions.has(cookies);
        if (isOutermost) openSessions.set(cookies, session as AdapterSession<Data>);
        try {
          return await handler(request as NextRequest, session, ...(rest as never));
        } catch (error) {
          const answer = answerOf(error);
          if (answer === undefined) throw error;
          return answer;
        } finally {
          if (isOutermost) openSessions.delete(cookies);
        }
      });
    },

    proxy(handler, options) {
      return async (request, ...rest) => {
        const { NextResponse } = await import("next/server.js");
        let opened: Session<Data> | undefined;
        const response = await fetchSession(
          sessions,
          options,
        )(async (_request, session) => {
          opened = session;
          return (await handler(request, session, ...rest)) ?? NextResponse.next();
        })(request);
        // Set so, Next shows the cookies to what handles the request after the proxy, too.
        const answer = new NextResponse(response.body, response);
        if (opened !== undefined) await setCookies(answer.cookies, opened);
        return answer;
      };
    },
  };
}
