// The contender: @fastify/session.
import { createRequire } from "node:module";
import cookie from "@fastify/cookie";
import { RedisStore } from "connect-redis";
import type { FastifyPluginCallback } from "fastify";
import { createClient } from "redis";
import { fastifyApp } from "../apps/fastify.ts";
import { type Contender, IDLE_SECONDS, SECRET } from "../contender.ts";
import { withPlainObject } from "./plain-object.ts";

// Not imported: its types for a Fastify request's session conflict with coatcheck's.
const session = createRequire(import.meta.url)("@fastify/session") as FastifyPluginCallback<object>;

/**
 * Its cheapest configuration. With Redis, `rolling` (the default) keeps a session alive that is only read. The memory
 * store keeps sessions for ever, so `rolling` is off there: its writes would have no use.
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
