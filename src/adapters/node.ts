import type { IncomingMessage, ServerResponse } from "node:http";
import type { Session, SessionData, Sessions, SessionsOptions } from "../index.ts";
import { commitBeforeHeaders } from "./held-response.ts";
import {
  type AdapterOptions,
  isWorthRetrying,
  openOptions,
  openThen,
  sessionsFrom,
  statusOf,
  textOf,
} from "./options.ts";

export interface NodeOptions extends AdapterOptions<IncomingMessage> {
  /**
   * Answers a request whose session can't be opened or committed, or whose handler throws.
   * Default: the error's status (503 when the store is down) and its name; other errors are printed, and answered 500.
   */
  onError?: (error: unknown, req: IncomingMessage, res: ServerResponse) => void;
}

/** A request with its session; there is none where the mode is `"none"`. */
export type SessionRequest<Data extends object = SessionData> = IncomingMessage & { session: Session<Data> };

export type SessionHandler<Data extends object = SessionData> = (
  req: SessionRequest<Data>,
  res: ServerResponse,
) => unknown;

/**
 * Sessions for bare `node:http`, `https` and `http2`:
 * `createServer(session(sessions)((req, res) => res.end(String(req.session.id))))`.
 *
 * @throws OptionError if options are given and one is wrong.
 */
export function session<Data extends object = SessionData>(
  sessionsOrOptions?: Sessions<Data> | SessionsOptions<Data>,
  options: NodeOptions = {},
): (handler: SessionHandler<Data>) => (req: IncomingMessage, res: ServerResponse) => void {
  const sessions = sessionsFrom(sessionsOrOptions);
  const { saveFailed = false, onError = answerError } = options;

  return (handler) =>
    // No async function: a request that waits for nothing makes no promise.
    function withSession(req, res) {
      const request = req as SessionRequest<Data>;
      const fail = (error: unknown) => onError(error, req, res);
      const start = (opened: Session<Data>) => {
        request.session = opened;
        commitBeforeHeaders(res, opened, saveFailed, fail);
        answer();
      };
      const answer = () => {
        try {
          const answering = handler(request, res);
          if (isThenable(answering)) answering.then(undefined, fail);
        } catch (error) {
          fail(error);
        }
      };
      try {
        const mode = openOptions(options, req);
        if (mode === undefined) answer();
        else openThen(sessions, req, mode, start, fail);
      } catch (error) {
        fail(error);
      }
    };
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === "function";
}

function answerError(error: unknown, _req: IncomingMessage, res: ServerResponse): void {
  const status = statusOf(error);
  if (status === 500) console.error(error);
  if (res.headersSent) {
    res.destroy();
    return;
  }
  res.statusCode = status;
  res.setHeader("Content-Type", "text/plain; charset=utf-8");
  if (isWorthRetrying(status)) res.setHeader("Retry-After", "1");
  res.end(textOf(status));
}
