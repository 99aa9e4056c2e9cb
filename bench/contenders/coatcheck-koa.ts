// The contender: coatcheck on Koa.
import { session } from "../../src/adapters/koa.ts";
import { koaApp } from "../apps/koa.ts";
import type { Contender } from "../contender.ts";
import { sessionsIn, withCoatcheck } from "./coatcheck.ts";

export default {
  framework: "Koa",
  names: { memory: "coatcheck, memory" },
  ours: true,
  async start(store, address) {
    const sessions = await sessionsIn(store, address);
    return koaApp(withCoatcheck, (app) => void app.use(session(sessions)));
  },
} satisfies Contender;
