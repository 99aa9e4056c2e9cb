import { createRequire } from "node:module";
import cookie from "@fastify/cookie";
import { RedisStore } from "connect-redis";
import type { FastifyPluginCallback } from "fastify";
import { createClient } from "redis";
import { fastifyApp } from "../apps/fastify.ts";
import { type Contender, IDLE_SECONDS, SECRET } from "../contender.ts";
import { withPlainObject } from "./plain-object.ts";

// Its types would say that every Fastify request has its session, and coatcheck's say that it has coatcheck's.
const session = createRequire(import.meta.url)("@fastify/session") as FastifyPluginCallback<object>;

/**
 * At its cheapest. With Redis, `rolling` (the default) is what keeps a session alive that is only read. Its memory
 * store keeps sessions for ever, so there `rolling` would write for nothing, and is off.
 */
export default {
  framework: "Fastify",
  names: { memory: "@fastify/session, memory", redis: "@fastify/session, connect-redis" },
  async start(store, url) {
    const options = { secret: SECRET, saveUninitialized: false, cookie: { secure: false, sameSite: "lax" } };
    const more =
      store === "memory"
        ? { rolling: false }
        : {
            store: new RedisStore({ client: await createClient({ url }).connect(), ttl: IDLE_SECONDS }),
          };
    return fastifyApp(withPlainObject, (app) => {
      app.register(cookie);
      app.register(session, { ...options, ...more });
    });
  },
} satisfies Contender;
