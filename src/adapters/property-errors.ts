// The errors for a request that has something else where its session should be.

import { type AdapterSession, CoatcheckError, type Sessions } from "../index.ts";

/**
 * The session that is open in its place already. Undefined: the place is empty.
 *
 * @param found what is in the place.
 * @throws CoatcheckError if it is no session of these.
 */
export function sessionFound<Data extends object>(
  sessions: Sessions<Data>,
  property: string,
  found: unknown,
  place?: string,
): AdapterSession<Data> | undefined {
  if (found === undefined || found === null) return undefined;
  if (!sessions.owns(found)) throw foreignSessionError(property, found, place);
  return found;
}

/** The error for a request that has something else where its session should be: `req.session`, or that of another place. */
export function foreignSessionError(property: string, found: unknown, place = "req"): CoatcheckError {
  const isOurs = typeof (found as Partial<AdapterSession> | undefined)?.changeMode === "function";
  const what = isOurs
    ? "is a session of other sessions"
    : "is set already, by another package for sessions, such as express-session or cookie-session";
  const fix = isOurs
    ? `Give one of them a name of its own: session(adminSessions, { property: "adminSession" })`
    : `Remove that package, or give this session a name of its own: session(sessions, { property: "coat" })`;
  return new CoatcheckError("COATCHECK_PROPERTY", `coatcheck: ${place}.${property} ${what}. ${fix}.`);
}

/** The error for a request on which something was assigned in the place of its session. */
export function replacedSessionError(request: string, property: string): CoatcheckError {
  const name = `${request}.${property}`;
  return new CoatcheckError(
    "COATCHECK_PROPERTY",
    `coatcheck: something was assigned to ${name}, so the session's changes were dropped. To end the session call await ${name}.destroy(); what the application keeps goes into ${name}.data.`,
  );
}
