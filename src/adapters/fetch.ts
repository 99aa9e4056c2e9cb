// The adapter for `Request` and `Response`: fetch handlers of any runtime.

import type { AdapterSession, CoatcheckError, Session, SessionData, Sessions, SessionsOptions } from "../index.ts";
import { commitResponse } from "./commit-response.ts";
import { type CsrfCheckOptions, csrfCheck } from "./csrf.ts";
import { isCoatcheckError, ownError, respondToError } from "./error-response.ts";
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

export interface FetchOptions extends AdapterOptions<Request> {
  /**
   * Gives the response to a request whose session can't be opened or committed. Errors of the handler are not caught.
   * Default: a response with the error's status (503 if the store is down).
   */
  onError?: (error: CoatcheckError, request: Request) => Response | Promise<Response>;
}

/** A handler of requests with sessions. After the session it gets what the runtime passes, such as `env` and `ctx`. */
export type SessionHandler<Data extends object, Rest extends unknown[]> = (
  request: Request,
  session: Session<Data>,
  ...rest: Rest
) => Response | Promise<Response>;

const openSessions = new OpenSessions();

/**
 * Sessions for every framework and runtime with `Request` and `Response`:
 * `export default { fetch: session(sessions)((request, session) => new Response(session.id)) }`.
 *
 * @throws OptionError if options are given and one is wrong.
 */
export function session<Data extends object = SessionData>(
  sessionsOrOptions?: Sessions<Data> | SessionsOptions<Data>,
  options: FetchOptions = {},
) {
  checkAdapterOptions(options, { ...ADAPTER_NAMES, onError: true });
  const sessions = sessionsFrom(sessionsOrOptions);
  const { onError = respondToError } = options;

  return <Rest extends unknown[]>(handler: SessionHandler<Data, Rest>) =>
    async function withSession(request: Request, ...rest: Rest): Promise<Response> {
      const mode = modeOf(options, request);
      const outer = openSessions.find(sessions, request);
      if (outer !== undefined) {
        try {
          await changeMode(outer, mode);
        } catch (error) {
          return respond(error, request);
        }
        return handler(request, mode === "none" ? (undefined as never) : outer, ...rest);
      }
      if (mode === "none") return handler(request, undefined as never, ...rest);
      let opened: AdapterSession<Data>;
      try {
        opened = await sessions.openMaybeSync(request, openOptions(options, request, mode));
      } catch (error) {
        return respond(error, request);
      }
      openSessions.add(request, opened);
      try {
        const handle = () => handler(request, opened, ...rest);
        return await commitResponse(opened, options, handle, (error) => respond(error, request));
      } finally {
        openSessions.remove(request, opened);
      }
    };

  function respond(error: unknown, request: Request): Response | Promise<Response> {
    return onError(ownError(error), request);
  }
}

/**
 * Refuses requests that a page of another site may have sent in the user's name (403): see `session.checkCsrf`.
 * `session(sessions)(csrf()((request, session) => …))`. It takes the token of a header or of the query; a handler that has
 * parsed a form calls `session.checkCsrf({ body })` instead.
 *
 * @throws OptionError if an option is wrong.
 */
export function csrf(options: Pick<CsrfCheckOptions, "origins"> = {}) {
  const check = csrfCheck(options);
  return <Handler extends (request: never, session: never, ...rest: never) => Response | Promise<Response>>(
    handler: Handler,
  ): Handler => {
    const checked = (request: Request, session: unknown, ...rest: unknown[]) => {
      try {
        check(request.method, { session }, { query: new URL(request.url).searchParams });
      } catch (error) {
        if (isCoatcheckError(error) && error.status === 403) return respondToError(error);
        throw error;
      }
      return handler(request as never, session as never, ...(rest as never));
    };
    return checked as unknown as Handler;
  };
}
