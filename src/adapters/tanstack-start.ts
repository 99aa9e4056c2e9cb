// The adapter for TanStack Start: a request middleware, and the session in server functions.

import type { RequestServerFn } from "@tanstack/react-start";
import { CoatcheckError, type Session, type SessionData, type Sessions, type SessionsOptions } from "../index.ts";
import { type CsrfCheckOptions, csrfCheck } from "./csrf.ts";
import { isCoatcheckError, respondToError } from "./error-response.ts";
import { type FetchOptions, session as fetchSession } from "./fetch.ts";
import { ADAPTER_NAMES, checkAdapterOptions, sessionsFrom } from "./options.ts";
import { openSessions } from "./tanstack-start/current-sessions.ts";

export { dropFailed, getSession } from "./tanstack-start/current-sessions.ts";

export interface StartOptions<Property extends string = "session"> extends FetchOptions {
  /** The session's name in `context`. Two kinds of sessions need two names. Default: `"session"`. */
  property?: Property;
}

/**
 * Sessions for TanStack Start, in `src/start.ts`. Server functions and server routes have the session in their context.
 *
 * ```ts
 * const sessionMiddleware = createMiddleware().server(session(sessions));
 * const functionMiddleware = [createMiddleware({ type: "function" }).server(dropFailed)];
 * export const startInstance = createStart(() => ({ requestMiddleware: [sessionMiddleware], functionMiddleware }));
 * ```
 * ```ts
 * const add = createServerFn({ method: "POST" }).handler(({ context }) => context.session.data.cart.push("hat"));
 * ```
 *
 * A route that uses the session in another way has it again, as a middleware of its own.
 *
 * @throws OptionError if options are given and one is wrong.
 */
export function session<Data extends object = SessionData, const Property extends string = "session">(
  sessionsOrOptions?: Sessions<Data> | SessionsOptions<Data>,
  options: StartOptions<Property> = {},
  // biome-ignore lint/complexity/noBannedTypes: what createMiddleware() asks for
): RequestServerFn<{}, undefined, { [Name in Property]: Session<Data> }> {
  checkAdapterOptions(options, { ...ADAPTER_NAMES, onError: true, property: true });
  const { property = "session", ...fetchOptions } = options;
  const { saveFailed = false } = options;
  const sessions = sessionsFrom(sessionsOrOptions);
  const withSession = fetchSession(sessions, fetchOptions);

  return async function coatcheck({ request, pathname, next }) {
    let result: Awaited<ReturnType<typeof next>> | undefined;
    const answer = await withSession(async (_request, session) => {
      const context = { [property]: session } as { [Name in Property]: Session<Data> };
      const among = openSessions.getStore() ?? [];
      const others = among.filter((one) => !sessions.owns(one.session));
      const own = session && (among.find((one) => sessions.owns(one.session)) ?? { session, saveFailed });
      if (pathname === undefined && own && !among.includes(own)) throw notOfRequests();
      result = await openSessions.run(own ? [...others, own] : others, async () => next({ context }));
      return result.response ?? Response.error();
    })(request);
    const { response } = result ?? {};
    // Only requests have a response, and not those of server functions. Start has an error for one that lacks it.
    if (result !== undefined && response === undefined) return result;
    // Start finds the target of its redirects in the response object. A copy with the session's headers has it, too.
    const { options } = (response ?? {}) as { options?: object };
    return options !== undefined && answer.status === response?.status ? Object.assign(answer, { options }) : answer;
  };
}

function notOfRequests(): CoatcheckError {
  return new CoatcheckError(
    "COATCHECK_PROPERTY",
    "coatcheck: session() is used by a server function alone, where there is no response that could carry a cookie. Put it into the requestMiddleware of createStart(), too.",
  );
}

/**
 * Refuses requests that a page of another site may have sent in the user's name (403): see
 * `session.checkCsrf`. A middleware
 * of requests, after `session()`: `createMiddleware().middleware([sessionMiddleware]).server(csrf())`. It takes the token of
 * a header or of the query.
 *
 * @throws OptionError if an option is wrong.
 */
// biome-ignore lint/complexity/noBannedTypes: what createMiddleware() asks for
export function csrf(options: CsrfCheckOptions = {}): RequestServerFn<{}, undefined, undefined> {
  const check = csrfCheck(options);
  return async function coatcheckCsrf({ request, next, ...rest }) {
    const { context } = rest as unknown as { context: object };
    try {
      check(request.method, context, { query: new URL(request.url).searchParams });
    } catch (error) {
      if (isCoatcheckError(error)) return respondToError(error) as never;
      throw error;
    }
    return next({ context: undefined });
  };
}
