// The sessions: short ones, long ones for "remember me", and five devices for each user.

import { createSessions, type SessionData } from "coatcheck";
import type { Tokens } from "./tokens.ts";

declare module "coatcheck" {
  interface SessionData {
    /** The user's tokens at the OAuth server. */
    tokens: Tokens;
  }
}

// In memory, as the users are: both begin again when the server does. An application has a store and a secret here.
export const sessions = createSessions<SessionData>({
  cookie: { secure: "auto" },
  idleTimeout: "20m",
  absoluteTimeout: "12h",
  renewAfter: "7d", // a remembered session gets the next ticket in passing, so that a copied cookie is not good for months
  maxPerOwner: 5, // the sixth login ends the oldest session
});
