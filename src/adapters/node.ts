// The adapter for node:http, https and http2.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { Session, SessionData, Sessions, SessionsOptions } from "../index.ts";
import { type CsrfCheckOptions, csrfCheck } from "./csrf.ts";
import { type ErrorResponder, handle, respondBy, respondToError } from "./node/handle.ts";
import { giveSession } from "./node-session.ts";
import { checkAdapterOptions, PROPERTY_NAMES, type PropertyOptions, sessionsFrom } from "./options.ts";

export interface NodeOptions extends PropertyOptions<IncomingMessage> {
  /**
   * Responds to a request whose session can't be opened or committed, or whose handler throws.
   * Default: the error's status (503 if the store is down) and its name. An error without a status is printed, and gets 500.
   */
  onError?: ErrorResponder;
}

/** A request with its session, which is undefined if the mode is `"none"`. */
export type SessionRequest<Data extends object = SessionData> = IncomingMessage & { session: Session<Data> };

/** A request handler. A promise that it returns is awaited for its error only. */
export type SessionHandler<Data extends object = SessionData> = (
  req: SessionRequest<Data>,
  res: ServerResponse,
) => unknown;

/** What `createServer` of node:http, https and http2 takes. HTTP/2's request and response look like those of HTTP/1. */
export type NodeListener = (
  req: IncomingMessage | Http2ServerRequest,
  res: ServerResponse | Http2ServerResponse,
) => void;

/**
 * Sessions for plain `node:http`, `https` and `http2`:
 * `createServer(session(sessions)((req, res) => res.end(String(req.session.id))))`.
 *
 * @throws OptionError if options are given and one is wrong.
 */
export function session<Data extends object = SessionData>(
  sessionsOrOptions?: Sessions<Data> | SessionsOptions<Data>,
  options: NodeOptions = {},
): (handler: SessionHandler<Data>) => NodeListener {
  checkAdapterOptions(options, { ...PROPERTY_NAMES, onError: true });
  const sessions = sessionsFrom(sessionsOrOptions);
  const { onError = respondToError } = options;

  return (handler) =>
    // Not an async function, so that a request that waits for nothing makes no promise.
    function withSession(message, response) {
      const req = message as SessionRequest<Data>;
      const res = response as ServerResponse;
      const next = (error?: unknown) => {
        if (error === undefined) handle(handler, req, res, onError);
        else respondBy(onError, error, req, res);
      };
      try {
        giveSession(sessions, options, req, res, undefined, next);
      } catch (error) {
        respondBy(onError, error, req, res);
      }
    };
}

/**
 * Refuses requests that a page of another site may have sent in the user's name (403): see `session.checkCsrf`.
 * `session(sessions)(csrf()((req, res) => …))`. It takes the token of a header or of the query; a handler that has parsed a
 * form calls `req.session.checkCsrf({ body })` instead.
 *
 * @throws OptionError if an option is wrong.
 */
export function csrf(options: CsrfCheckOptions = {}) {
  const check = csrfCheck(options);
  return <Data extends object>(handler: SessionHandler<Data>): SessionHandler<Data> =>
    (req, res) => {
      check(req.method, req, { query: new URL(req.url ?? "/", "http://localhost").searchParams });
      return handler(req, res);
    };
}
