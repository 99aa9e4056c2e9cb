// The middleware of React Router, as its types say it.

import type { Session, SessionData } from "../../index.ts";

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

/** What is needed of React Router's `RouterContextProvider`. */
export interface ContextProvider {
  get(context: object): unknown;
  set(context: object, value: unknown): void;
}
