// The contender: coatcheck in express-session's place, with coatcheck's stores.
import type { RequestHandler } from "express";
import session from "../../src/adapters/express-session/index.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { redis } from "../../src/stores/redis/index.ts";
import { expressApp } from "../apps/express.ts";
import { type Contender, IDLE_SECONDS, SECRET } from "../contender.ts";
import { withPlainObject } from "./plain-object.ts";

export default {
  framework: "Express",
  names: { memory: "coatcheck/express-session, memory", redis: "coatcheck/express-session, redis" },
  async start(store, url) {
    const options = { secret: SECRET, resave: false, saveUninitialized: false, cookie: { sameSite: "lax" as const } };
    const kept = store === "redis" ? redis({ url }) : memory();
    const middleware = session({ ...options, store: kept, ttl: IDLE_SECONDS * 1000 });
    return expressApp(withPlainObject, [middleware as RequestHandler]);
  },
} satisfies Contender;
