// The session of a request of node:http: opened or shared, and the response held back until it is committed.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { AdapterSession, Sessions } from "../index.ts";
import { commitBeforeHeaders, updateHold } from "./held-response.ts";
import type { HeldSession } from "./hold.ts";
import { changeModeThen, letGo, openThen } from "./open-session.ts";
import { modeOf, openOptions, type PropertyOptions, type RouteMode } from "./options.ts";
import { foreignSessionError } from "./property-errors.ts";

/** What holds a response back: `commitBeforeHeaders`, or what does it for some requests in another way. */
export type HoldBack = (
  res: ServerResponse,
  req: IncomingMessage,
  property: string,
  session: HeldSession & Pick<AdapterSession, "keepOpen">,
  saveFailed: boolean,
  fail: (error: unknown) => void,
) => void;

/**
 * Gives a request its session, and calls `next`: synchronously, if nothing has to be waited for. It is called with an error
 * if the session can't be opened, and again if it can't be committed.
 *
 * @param secure how the browser's request came, if the framework knows.
 */
export function giveSession<Data extends object>(
  sessions: Sessions<Data>,
  options: PropertyOptions<IncomingMessage>,
  req: IncomingMessage,
  res: ServerResponse,
  secure: boolean | undefined,
  next: (error?: unknown) => void,
  hold: HoldBack = commitBeforeHeaders,
): void {
  const mode = modeOf(options, req);
  const { property = "session" } = options;
  const found = (req as SessionPlace)[property];
  if (found !== undefined && found !== null) {
    if (sessions.owns(found)) share(found, mode, options, req, res, next);
    else next(foreignSessionError(property, found));
  } else if (mode === "none") {
    next();
  } else {
    openThen(sessions, req, openOptions(options, req, mode, secure), start, next);
  }

  function start(opened: AdapterSession<Data>): void {
    const { property = "session", saveFailed = false } = options;
    try {
      hold(res, req, property, opened, saveFailed, next);
    } catch (error) {
      letGo(opened);
      next(error);
      return;
    }
    (req as SessionPlace)[property] = opened;
    next();
  }
}

type SessionPlace = IncomingMessage & Record<string, unknown>;

/** Apart from `giveSession`, so that only the requests that share a session pay for what is remembered here. */
function share(
  session: HeldSession & Pick<AdapterSession, "changeMode">,
  mode: RouteMode | undefined,
  { property = "session", saveFailed }: PropertyOptions<IncomingMessage>,
  req: IncomingMessage,
  res: ServerResponse,
  next: (error?: unknown) => void,
): void {
  changeModeThen(session, mode, (error) => {
    if (error !== undefined) {
      next(error);
      return;
    }
    const isHidden = mode === "none";
    updateHold(res, session, { saveFailed, isHidden, fail: next });
    if (isHidden) (req as SessionPlace)[property] = undefined;
    next();
  });
}
