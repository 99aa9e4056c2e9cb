// The adapter for Next.js with the App Router: Server Components, Server Actions, Route Handlers and the proxy.

import type { NextRequest } from "next/server.js";
import type { AdapterSession, Session, SessionData, Sessions, SessionsOptions } from "../index.ts";
import { commitFailed } from "./commit-response.ts";
import { session as fetchSession } from "./fetch.ts";
import { answerOf, currentRequest, reportLateChangesAfter, setCookies } from "./next/current-request.ts";
import { openToRead } from "./next/open-to-read.ts";
import type { NextSessions } from "./next/types.ts";
import { changeMode } from "./open-session.ts";
import { ADAPTER_NAMES, checkAdapterOptions, modeOf, openOptions, sessionsFrom } from "./options.ts";

export { csrf } from "./fetch.ts";
export type { ActionOptions, HandlerOptions, NextSessions, ReadonlySession } from "./next/types.ts";

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

  return {
    async session({ extend = true } = {}) {
      const { cookies, source } = await currentRequest();
      const found = openSessions.get(cookies);
      if (found !== undefined) return found;
      const opening = openToRead(sessions, source, extend);
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
          await changeMode(outer, mode);
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
