import { session } from "../../src/adapters/express.ts";
import { expressApp } from "../apps/express.ts";
import type { Contender } from "../contender.ts";
import { sessionsIn, withCoatcheck } from "./coatcheck.ts";

export default {
  framework: "Express",
  names: { memory: "coatcheck, memory", redis: "coatcheck, redis" },
  ours: true,
  start: async (store, redisUrl) => expressApp(withCoatcheck, [session(await sessionsIn(store, redisUrl))]),
} satisfies Contender;
