// What a request's session throws when the request can't do what it asks for.

import { CoatcheckError, SessionClosedError, StoreError } from "../errors.ts";
import type { Mode } from "../session.ts";
import type { RequestInfo } from "./request-info.ts";

/** @throws SessionClosedError if the request may not write to its session. */
export function checkWritable(mode: RequestInfo["mode"], isClosed: boolean): void {
  if (mode === "off") {
    throw new SessionClosedError('sessions are turned off (mode "off"), so there is none to write to.');
  }
  if (mode === "readonly") {
    throw new SessionClosedError('this request opened the session with mode "readonly"; use "merge" to change it.');
  }
  if (isClosed) {
    throw new SessionClosedError(
      "the session is committed and the response has started. Write before the first byte, or open the session again with sessions.open().",
    );
  }
}

export function modeError(mode: Mode, why: string): CoatcheckError {
  return new CoatcheckError(
    "COATCHECK_MODE",
    `coatcheck: this request can't go on in mode "${mode}": ${why} already. Put session(sessions, { mode: "${mode}" }) before what writes, or give the first session() a function of the request as its mode.`,
  );
}

export function notDataError(): CoatcheckError {
  return new CoatcheckError(
    "COATCHECK_NOT_DATA",
    "coatcheck: session.data can't be replaced. Set its keys: Object.assign(session.data, { … }), after session.clear() if the others are to go.",
  );
}

/** A message on an open connection can't give the browser a cookie. */
export function detachedError(what: "changed" | "regenerated"): CoatcheckError {
  const why =
    what === "changed"
      ? "there is none in a store yet, the browser carries it, or it gets another lifetime"
      : "its ticket would change";
  return new CoatcheckError(
    "COATCHECK_DETACHED",
    `coatcheck: the session can't be ${what} over an open connection: ${why}, and no cookie can be sent. Do it in an HTTP request, and let the client connect again.`,
  );
}

export function endedError(): CoatcheckError {
  return new CoatcheckError(
    "COATCHECK_GONE",
    "coatcheck: the session has ended while this request ran, so nothing was saved. Try the request again.",
    { status: 503 },
  );
}

/** A request that could not read its session must not write one: a new session would replace the user's own. */
export function storeIsDownError(): StoreError {
  return new StoreError(
    "coatcheck: the session can't be changed: the store was down when this request began. Try the request again.",
  );
}
