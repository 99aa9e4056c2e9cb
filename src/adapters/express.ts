import type { IncomingMessage, ServerResponse } from "node:http";
import type { Session, SessionData, Sessions, SessionsOptions } from "../index.ts";
import { commitBeforeHeaders } from "./held-response.ts";
import { type AdapterOptions, openOptions, openThen, sessionsFrom } from "./options.ts";

declare global {
  namespace Express {
    interface Request {
      /** This user's session. There is none where the mode is `"none"`. */
      session: Session<SessionData>;
    }
  }
}

export interface ExpressOptions extends AdapterOptions<IncomingMessage> {}

/** What Express 4 and 5 and Connect call. */
export type Middleware = (req: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void) => void;

/**
 * Sessions for Express 4 and 5 and Connect: `app.use(session(sessions))`, after files that need none.
 * Errors of the session go to the application's error handler, with a `status` (503 when the store is down).
 *
 * @throws OptionError if options are given and one is wrong.
 */
export function session<Data extends object = SessionData>(
  sessionsOrOptions?: Sessions<Data> | SessionsOptions<Data>,
  options: ExpressOptions = {},
): Middleware {
  const sessions = sessionsFrom(sessionsOrOptions);
  const { saveFailed = false } = options;

  return function coatcheck(req, res, next) {
    const mode = openOptions(options, req);
    const request = req as IncomingMessage & { session?: Session<Data> };
    // A router inside a router may ask again: the session is open, and the first mode counts.
    if (mode === undefined || request.session !== undefined) {
      next();
      return;
    }
    openThen(sessions, req, mode, start, next);

    function start(opened: Session<Data>): void {
      request.session = opened;
      commitBeforeHeaders(res, opened, saveFailed, next);
      next();
    }
  };
}
