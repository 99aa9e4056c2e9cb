// The shop's sessions, and what pages, actions and handlers use of them.

import { createSessions, type SessionData, type Sessions } from "coatcheck";
import { memory } from "coatcheck/memory";
import { nextSessions } from "coatcheck/next";
import { redis } from "coatcheck/redis";

declare module "coatcheck" {
  interface SessionData {
    user?: string;
    cart: Record<string, number>;
  }
}

// Next loads this file once for pages, once for actions and so on. They share one memory, and one connection to Redis.
const shared = globalThis as typeof globalThis & { sessions?: Sessions };

shared.sessions ??= createSessions<SessionData>({
  store: process.env.REDIS_URL ? redis({ url: process.env.REDIS_URL }) : memory(),
  ...(process.env.SESSION_SECRET && { secret: process.env.SESSION_SECRET }),
  cookie: { secure: "auto" },
  initial: { cart: {} },
});

export const sessions = shared.sessions;
export const { session, action, withSession, proxy } = nextSessions(sessions);
