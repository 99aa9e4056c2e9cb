import { createRequire } from "node:module";
import { RedisStore } from "connect-redis";
import type { RequestHandler } from "express";
import { createClient } from "redis";
import { expressApp } from "../apps/express.ts";
import { type Contender, SECRET } from "../contender.ts";
import { withPlainObject } from "./plain-object.ts";

// Its types would say that every Express request has its session, and coatcheck's say that it has coatcheck's.
const session = createRequire(import.meta.url)("express-session") as (options: object) => RequestHandler;

/**
 * As the READMEs of express-session and connect-redis advise, and at its cheapest: a cookie without an age is not sent
 * again. `ttl` is then what ends an unused session in Redis; MemoryStore keeps its sessions for ever.
 */
export default {
  framework: "Express",
  names: { memory: "express-session, MemoryStore", redis: "express-session, connect-redis" },
  async start(store, redisUrl) {
    const options = { secret: SECRET, resave: false, saveUninitialized: false, cookie: { sameSite: "lax" } };
    if (store === "memory") return expressApp(withPlainObject, [session(options)]);
    const client = await createClient({ url: redisUrl }).connect();
    return expressApp(withPlainObject, [session({ ...options, store: new RedisStore({ client, ttl: 20 * 60 }) })]);
  },
} satisfies Contender;
