// The session of a request of node:http: opened or shared, and the response held back until it is committed.

import type { IncomingMessage, ServerResponse } from "node:http";
import type { AdapterSession, Sessions } from "../index.ts";
import { commitBeforeHeaders, updateHold } from "./held-response.ts";
import type { HeldSession } from "./hold.ts";
import { changeModeThen, letGo, openThen } from "./open-session.ts";
import { modeOf, openOptions, type PropertyOptions } from "./options.ts";
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
 * Gives a request its session, and calls `next`: synchronously, if nothing has to be waited for. `fail` gets the errors of
 * opening and of the commit.
 *
 * @param secure how the browser's request came, if the framework knows.
 */
export function giveSession<Data extends object>(
  sessions: Sessions<Data>,
  options: PropertyOptions<IncomingMessage>,
  req: IncomingMessage,
  res: ServerResponse,
  secure: boolean | undefined,
  next: () => void,
  fail: (error: unknown) => void,
  hold: HoldBack = commitBeforeHeaders,
): void {
  const { property = "session", saveFailed = false } = options;
  const request = req as IncomingMessage & Record<string, unknown>;
  const mode = modeOf(options, req);
  const found = request[property];
  if (found !== undefined && found !== null) {
    if (!sessions.owns(found)) {
      fail(foreignSessionError(property, found));
      return;
    }
    changeModeThen(found, mode, (error) => {
      if (error !== undefined) {
        fail(error);
        return;
      }
      const isHidden = mode === "none";
      updateHold(res, found, { saveFailed: options.saveFailed, isHidden, fail });
      if (isHidden) request[property] = undefined;
      next();
    });
  } else if (mode === "none") {
    next();
  } else {
    openThen(sessions, req, openOptions(options, req, mode, secure), start, fail);
  }

  function start(opened: AdapterSession<Data>): void {
    try {
      hold(res, req, property, opened, saveFailed, fail);
    } catch (error) {
      letGo(opened);
      fail(error);
      return;
    }
    request[property] = opened;
    next();
  }
}
