// The contender: coatcheck on Hono.
import type { Context } from "hono";
import { session } from "../../src/adapters/hono.ts";
import type { Session } from "../../src/index.ts";
import { honoApp } from "../apps/hono.ts";
import type { Contender } from "../contender.ts";
import type { Fields } from "../session-data.ts";
import { sessionsIn, throughProperty, withCoatcheck } from "./coatcheck.ts";

export default {
  framework: "Hono",
  names: { memory: "coatcheck, memory", cookie: "coatcheck, sealed cookie" },
  ours: true,
  async start(store, address) {
    const sessions = await sessionsIn(store, address);
    const actions = throughProperty(withCoatcheck, (c: Context) => ({
      session: c.get("session") as unknown as Session<Fields>,
    }));
    return honoApp(actions, (app) => void app.use(session(sessions)));
  },
} satisfies Contender;
