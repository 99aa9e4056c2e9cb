import { session } from "../../src/adapters/fastify.ts";
import { fastifyApp } from "../apps/fastify.ts";
import type { Contender } from "../contender.ts";
import { sessionsIn, withCoatcheck } from "./coatcheck.ts";

export default {
  framework: "Fastify",
  names: { memory: "coatcheck, memory", redis: "coatcheck, redis" },
  ours: true,
  async start(store, redisUrl) {
    const sessions = await sessionsIn(store, redisUrl);
    return fastifyApp(withCoatcheck, (app) => void app.register(session(sessions)));
  },
} satisfies Contender;
