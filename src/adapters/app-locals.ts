// The type of the session in `App.Locals`, which SvelteKit and Astro both have.

import type { Session, SessionData } from "../index.ts";

/** Inherited, so that an application may declare a session of its own type in `App.Locals`: that one holds then. */
export interface WithSession {
  /** This user's session. Undefined if the mode is `"none"`. */
  session: Session<SessionData>;
}

/** The named values of a request. */
export type Locals = Record<string, unknown>;
