// The sessions of the request that runs, for what TanStack Start calls outside of its middleware.

import { AsyncLocalStorage } from "node:async_hooks";
import type { FunctionMiddlewareServerFn } from "@tanstack/react-start";
import { CoatcheckError, type Session, type SessionData, type Sessions } from "../../index.ts";

interface Opened {
  session: object;
  saveFailed: boolean;
}

/** The sessions of the request that runs. */
export const openSessions = new AsyncLocalStorage<readonly Opened[]>();

/**
 * The session of the request that runs: in server functions, server routes, and whatever they call.
 *
 * @param sessions which, where a request has several kinds of sessions; it also tells the type of the data.
 * @throws CoatcheckError if the request has none.
 */
export function getSession<Data extends object = SessionData>(sessions?: Sessions<Data>): Session<Data> {
  const found = openSessions.getStore()?.find(({ session }) => sessions === undefined || sessions.owns(session));
  if (found !== undefined) return found.session as Session<Data>;
  throw new CoatcheckError(
    "COATCHECK_PROPERTY",
    'coatcheck: getSession() finds no session: this request is not handled by a middleware with session(sessions), or its mode is "none".',
  );
}

/**
 * A middleware for server functions: what one that throws has changed is dropped, unless `saveFailed` is true. `session()`
 * can't tell, since Start answers such a call with status 200. A redirect, `notFound()` and a response are no failures.
 */
// biome-ignore lint/complexity/noBannedTypes: what createMiddleware() asks for
export const dropFailed: FunctionMiddlewareServerFn<{}, unknown, undefined, undefined, undefined, undefined> = async ({
  next,
}) => {
  try {
    return await next();
  } catch (error) {
    const isAnswer = error instanceof Response || (error as { isNotFound?: unknown } | null)?.isNotFound === true;
    for (const { session, saveFailed } of openSessions.getStore() ?? []) {
      if (!isAnswer && !saveFailed) (session as Session).discard();
    }
    throw error;
  }
};
