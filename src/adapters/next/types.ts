// The types of what nextSessions() gives.

import type { NextRequest } from "next/server.js";
import type { CoatcheckError, Session, SessionData } from "../../index.ts";
import type { AdapterOptions } from "../options.ts";

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
