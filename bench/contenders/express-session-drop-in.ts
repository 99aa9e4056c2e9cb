// The contender: coatcheck in express-session's place, with the stores of express-session.
import { RedisStore } from "connect-redis";
import type { RequestHandler } from "express";
import { createClient } from "redis";
import session from "../../src/adapters/express-session/index.ts";
import { expressApp } from "../apps/express.ts";
import { type Contender, IDLE_SECONDS, SECRET } from "../contender.ts";
import { withPlainObject } from "./plain-object.ts";

/** Set up as express-session is, so that what differs is the package alone. */
export default {
  framework: "Express",
  names: {
    memory: "coatcheck/express-session, MemoryStore",
    redis: "coatcheck/express-session, connect-redis",
  },
  async start(store, url) {
    const options = { secret: SECRET, resave: false, saveUninitialized: false, cookie: { sameSite: "lax" as const } };
    const kept =
      store === "redis"
        ? new RedisStore({ client: await createClient({ url }).connect(), ttl: IDLE_SECONDS })
        : new session.MemoryStore();
    return expressApp(withPlainObject, [session({ ...options, store: kept }) as RequestHandler]);
  },
} satisfies Contender;
