// The shop's sessions.

import { createSessions, type SessionData } from "coatcheck";
import { memory } from "coatcheck/memory";
import { redis } from "coatcheck/redis";

declare module "coatcheck" {
  interface SessionData {
    user?: string;
    cart: Record<string, number>;
  }
}

export const sessions = createSessions<SessionData>({
  store: process.env.REDIS_URL ? redis({ url: process.env.REDIS_URL }) : memory(),
  ...(process.env.SESSION_SECRET && { secret: process.env.SESSION_SECRET }),
  cookie: { secure: "auto" },
  initial: { cart: {} },
});
