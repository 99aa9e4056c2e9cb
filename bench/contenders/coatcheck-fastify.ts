// The contender: coatcheck on Fastify.
import { session } from "../../src/adapters/fastify.ts";
import { fastifyApp } from "../apps/fastify.ts";
import type { Contender } from "../contender.ts";
import { sessionsIn, withCoatcheck } from "./coatcheck.ts";

export default {
  framework: "Fastify",
  names: {
    memory: "coatcheck, memory",
    cookie: "coatcheck, sealed cookie",
    redis: "coatcheck, redis",
    cached: "coatcheck, cached(redis)",
  },
  ours: true,
  async start(store, address) {
    const sessions = await sessionsIn(store, address);
    return fastifyApp(withCoatcheck, (app) => void app.register(session(sessions)));
  },
} satisfies Contender;
