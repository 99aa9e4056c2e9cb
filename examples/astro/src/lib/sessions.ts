// The shop's sessions.

import { createSessions } from "coatcheck";
import { memory } from "coatcheck/memory";
import { redis } from "coatcheck/redis";

declare module "coatcheck" {
  interface SessionData {
    user?: string;
    cart: Record<string, number>;
  }
}

const { REDIS_URL, SESSION_SECRET } = process.env;

export const sessions = createSessions({
  store: REDIS_URL ? redis({ url: REDIS_URL }) : memory(),
  ...(SESSION_SECRET && { secret: SESSION_SECRET }),
  cookie: { secure: "auto" },
  initial: { cart: {} },
});
