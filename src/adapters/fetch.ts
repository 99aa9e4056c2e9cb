import { CoatcheckError, type Session, type SessionData, type Sessions, type SessionsOptions } from "../index.ts";
import { type AdapterOptions, isWorthRetrying, openOptions, sessionsFrom, statusOf, textOf } from "./options.ts";

export interface FetchOptions extends AdapterOptions<Request> {
  /**
   * Answers a request whose session can't be opened or committed. Errors of the handler are not caught.
   * Default: the error's status (503 when the store is down).
   */
  onError?: (error: CoatcheckError, request: Request) => Response | Promise<Response>;
}

/** A handler of requests with sessions. What follows the session is what the runtime passes, such as `env` and `ctx`. */
export type SessionHandler<Data extends object, Rest extends unknown[]> = (
  request: Request,
  session: Session<Data>,
  ...rest: Rest
) => Response | Promise<Response>;

/**
 * Sessions for whatever speaks `Request` and `Response`:
 * `export default { fetch: session(sessions)((request, session) => new Response(session.id)) }`.
 *
 * @throws OptionError if options are given and one is wrong.
 */
export function session<Data extends object = SessionData>(
  sessionsOrOptions?: Sessions<Data> | SessionsOptions<Data>,
  options: FetchOptions = {},
) {
  const sessions = sessionsFrom(sessionsOrOptions);
  const { saveFailed = false, onError = answerError } = options;

  return <Rest extends unknown[]>(handler: SessionHandler<Data, Rest>) =>
    async function withSession(request: Request, ...rest: Rest): Promise<Response> {
      const mode = openOptions(options, request);
      if (mode === undefined) return handler(request, undefined as never, ...rest);
      let opened: Session<Data>;
      try {
        opened = await sessions.open(request, mode);
      } catch (error) {
        return answer(error, request);
      }
      const response = await runHandler(handler, request, opened, rest);
      if (response.status >= 500 && !saveFailed) opened.discard();
      try {
        return withCookies(response, await opened.commit());
      } catch (error) {
        await response.body?.cancel();
        // A ticket that was regenerated before the commit failed still has to reach the browser: the old one is dead.
        return withCookies(await answer(error, request), await opened.commit());
      }
    };

  async function runHandler<Rest extends unknown[]>(
    handler: SessionHandler<Data, Rest>,
    request: Request,
    opened: Session<Data>,
    rest: Rest,
  ): Promise<Response> {
    try {
      return await handler(request, opened, ...rest);
    } catch (error) {
      if (saveFailed) await opened.commit();
      else await letGo(opened);
      throw error;
    }
  }

  function answer(error: unknown, request: Request): Response | Promise<Response> {
    if (error instanceof CoatcheckError) return onError(error, request);
    throw error;
  }
}

/** Others may wait for a session that this request has to itself. What goes wrong here must not hide the handler's error. */
async function letGo(session: Pick<Session, "discard" | "commit">): Promise<void> {
  session.discard();
  try {
    await session.commit();
  } catch {}
}

function withCookies(response: Response, cookies: string[]): Response {
  if (cookies.length === 0) return response;
  // A redirect's or a fetched response's headers can't be changed; a copy's can.
  const copy = new Response(response.body, response);
  for (const cookie of cookies) copy.headers.append("Set-Cookie", cookie);
  // A cache must not hand one user's ticket to another.
  copy.headers.set("Cache-Control", "no-store");
  return copy;
}

function answerError(error: CoatcheckError): Response {
  const status = statusOf(error);
  if (status === 500) console.error(error);
  return new Response(textOf(status), { status, headers: isWorthRetrying(status) ? { "Retry-After": "1" } : {} });
}
