// The contender: coatcheck on Express.
import { session } from "../../src/adapters/express.ts";
import { expressApp } from "../apps/express.ts";
import type { Contender } from "../contender.ts";
import { sessionsIn, withCoatcheck } from "./coatcheck.ts";

export default {
  framework: "Express",
  names: {
    memory: "coatcheck, memory",
    file: "coatcheck, file",
    redis: "coatcheck, redis",
    cached: "coatcheck, cached(redis)",
    postgres: "coatcheck, postgres",
    mysql: "coatcheck, mysql",
  },
  ours: true,
  start: async (store, address) => expressApp(withCoatcheck, [session(await sessionsIn(store, address))]),
} satisfies Contender;
