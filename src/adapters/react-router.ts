// The adapter for React Router 8 in framework mode: a middleware.

import type { Session, SessionData, Sessions, SessionsOptions } from "../index.ts";
import { commitResponse } from "./commit-response.ts";
import { type CsrfCheckOptions, csrfCheck } from "./csrf.ts";
import { withErrorsAs } from "./error-response.ts";
import { changeMode } from "./open-session.ts";
import { OpenSessions } from "./open-sessions.ts";
import {
  ADAPTER_NAMES,
  type AdapterOptions,
  checkAdapterOptions,
  modeOf,
  openOptions,
  sessionsFrom,
} from "./options.ts";
import { hasBoundary, responseTo } from "./react-router/error-response.ts";
import type {
  ContextProvider,
  MiddlewareArguments,
  SessionContext,
  SessionMiddleware,
} from "./react-router/middleware.ts";

export type { MiddlewareArguments, SessionContext, SessionMiddleware } from "./react-router/middleware.ts";
export {
  type SessionStorage,
  type StorageOptions,
  type StoredSession,
  toSessionStorage,
} from "./react-router/session-storage.ts";

export interface ReactRouterOptions<Data extends object = SessionData> extends AdapterOptions<MiddlewareArguments> {
  /** Where loaders and actions find the session. Two kinds of sessions need two places. Default: `sessionContext`. */
  context?: SessionContext<Data>;
}

/** Where loaders and actions find the session: `context.get(sessionContext)`. Undefined there if the mode is `"none"`. */
export const sessionContext: SessionContext = {};

const openSessions = new OpenSessions();

/**
 * Sessions for React Router: a middleware of `root.tsx`, for pages, data requests and resource routes. A route that uses the
 * session in another way has it again, with another mode.
 *
 * ```ts
 * export const middleware = [session(sessions)];
 *
 * export async function loader({ context }: Route.LoaderArgs) {
 *   return { cart: context.get(sessionContext).data.cart };
 * }
 * ```
 *
 * Loaders run in parallel, and share the session. It is committed when all of them, and the action, have finished, before
 * the page streams. If it can't be opened or committed, the nearest `ErrorBoundary` gets an error response with its status
 * (503 if the store is down).
 *
 * @throws OptionError if options are given and one is wrong.
 */
export function session<Data extends object = SessionData>(
  sessionsOrOptions?: Sessions<Data> | SessionsOptions<Data>,
  options: ReactRouterOptions<Data> = {},
): SessionMiddleware {
  checkAdapterOptions(options, { ...ADAPTER_NAMES, context: true });
  const sessions = sessionsFrom(sessionsOrOptions);
  const { context: place = sessionContext } = options;

  return async function withSession({ context, ...args }, next) {
    const { request } = args;
    const mode = modeOf(options, args);
    const put = (value: Session<Data> | undefined) => (context as ContextProvider).set(place, value);
    const outer = openSessions.find(sessions, request);
    if (outer !== undefined) await withErrorsAs(responseTo, () => changeMode(outer, mode));
    if (outer !== undefined || mode === "none") {
      put(mode === "none" ? undefined : outer);
      return next();
    }
    const opened = await withErrorsAs(responseTo, () =>
      sessions.openMaybeSync(request, openOptions(options, args, mode)),
    );
    put(opened);
    openSessions.add(request, opened);
    let response: Response | undefined;
    const handle = async () => {
      response = await next();
      return response;
    };
    return commitResponse(opened, options, handle, async (error) => {
      const answer = responseTo(error);
      // What is thrown reaches a boundary, but without a new ticket: then the browser needs this response.
      const isLost = (await opened.commit()).length > 0 || opened.ticketHeader?.value !== undefined;
      if (isLost || !hasBoundary(response!)) return answer;
      throw answer;
    });
  };
}

/**
 * Refuses requests that a page of another site may have sent in the user's name (403): see `session.checkCsrf`. A middleware,
 * after `session()`: `export const middleware = [session(sessions), csrf()]`. It takes the token of a header or of the query; an
 * action that has parsed a form calls `context.get(sessionContext).checkCsrf({ body: form })` instead.
 *
 * @throws OptionError if an option is wrong.
 */
export function csrf({
  context: place = sessionContext,
  ...options
}: Pick<CsrfCheckOptions, "origins"> & Pick<ReactRouterOptions, "context"> = {}): SessionMiddleware {
  const check = csrfCheck(options);
  return async ({ request, context }, next) => {
    const session = (context as ContextProvider).get(place);
    await withErrorsAs(responseTo, () =>
      check(request.method, { session }, { query: new URL(request.url).searchParams }),
    );
    return next();
  };
}
