// The type of `req.session` in an application of Express, whichever of the packages for sessions it has.

import type { Session, SessionData } from "../index.ts";

declare global {
  namespace CoatcheckSession {
    /** What sets `req.session`: each adapter that an application imports adds itself. */
    interface Kinds {}
    /** The keys of the drop-in's sessions, as CommonJS modules declare them. */
    interface Data {}
  }
}

/**
 * The session of coatcheck/express, or else that of coatcheck/express-session. Where the types of express-session are
 * there, which have a `sessionStore`, theirs holds.
 */
export type SessionOf<Request> = Request extends { sessionStore: object }
  ? unknown
  : CoatcheckSession.Kinds extends { express: true }
    ? Session<SessionData>
    : CoatcheckSession.Kinds extends { expressSession: infer DropIn }
      ? DropIn
      : never;
