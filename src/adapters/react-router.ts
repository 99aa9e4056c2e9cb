// The adapter for React Router 8 in framework mode: a middleware.

import type { Session, SessionData, Sessions, SessionsOptions } from "../index.ts";
import { commitResponse, respondToError } from "./commit-response.ts";
import { type CsrfCheckOptions, csrfCheck } from "./csrf.ts";
import {
  ADAPTER_NAMES,
  type AdapterOptions,
  checkAdapterOptions,
  isCoatcheckError,
  modeOf,
  openOptions,
  sessionsFrom,
} from "./options.ts";

export {
  type SessionStorage,
  type StorageOptions,
  type StoredSession,
  toSessionStorage,
} from "./react-router-storage.ts";

/** What `createContext<Session>()` of React Router makes: the place of a value in a request's context. */
export interface SessionContext<Data extends object = SessionData> {
  defaultValue?: Session<Data>;
}

/** What React Router gives a middleware. `url` is the page's own, also where the router asks for its data. */
export interface MiddlewareArguments {
  request: Request;
  url: URL;
  pattern: string;
  params: Record<string, string | undefined>;
}

/** A middleware of React Router. */
export type SessionMiddleware = (
  args: MiddlewareArguments & { context: object },
  next: () => Promise<Response>,
) => Promise<Response>;

export interface ReactRouterOptions<Data extends object = SessionData> extends AdapterOptions<MiddlewareArguments> {
  /** Where loaders and actions find the session. Two kinds of sessions need two places. Default: `sessionContext`. */
  context?: SessionContext<Data>;
}

/** Where loaders and actions find the session: `context.get(sessionContext)`. Undefined there if the mode is `"none"`. */
export const sessionContext: SessionContext = {};

/** The sessions that are open for a request, so that the middleware of a route finds that of its parent. */
const openSessions = new WeakMap<Request, object[]>();

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
    const among = openSessions.get(request);
    const outer = among?.find((one) => sessions.owns(one));
    if (outer !== undefined) {
      if (mode !== undefined) await orThrowResponse(() => outer.changeMode(mode === "none" ? "readonly" : mode));
      put(mode === "none" ? undefined : outer);
      return next();
    }
    if (mode === "none") {
      put(undefined);
      return next();
    }
    const opened = await orThrowResponse(() => sessions.openMaybeSync(request, openOptions(options, args, mode)));
    put(opened);
    openSessions.set(request, [...(among ?? []), opened]);
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

/** What is needed of React Router's `RouterContextProvider`. */
interface ContextProvider {
  set(context: object, value: unknown): void;
}

async function orThrowResponse<T>(open: () => T | Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    throw responseTo(error);
  }
}

/** React Router shows a thrown response's status and text, where an error's status would be lost. */
function responseTo(error: unknown): Response {
  if (isCoatcheckError(error)) return respondToError(error);
  throw error;
}

/** True for the response to a page or to a request for its data, and for a redirect from there. A resource route has none. */
function hasBoundary({ status, headers }: Response): boolean {
  const isPage = headers.get("content-type")?.startsWith("text/html") ?? false;
  return isPage || headers.has("x-remix-response") || (status >= 300 && status < 400);
}

/**
 * Refuses requests that a page of another site may have sent in the user's name (403): see
 * `session.checkCsrf`. A middleware, after
 * `session()`: `export const middleware = [session(sessions), csrf()]`. It takes the token of a header or of the query; an
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
    const session = (context as { get(place: object): unknown }).get(place);
    await orThrowResponse(() => check(request.method, { session }, { query: new URL(request.url).searchParams }));
    return next();
  };
}
