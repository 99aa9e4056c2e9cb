// The contender: coatcheck on h3.
import type { H3Event } from "h3";
import { session } from "../../src/adapters/h3.ts";
import type { Session } from "../../src/index.ts";
import { h3App } from "../apps/h3.ts";
import type { Contender } from "../contender.ts";
import type { Fields } from "../session-data.ts";
import { sessionsIn, throughProperty, withCoatcheck } from "./coatcheck.ts";

export default {
  framework: "h3",
  names: { memory: "coatcheck, memory", cookie: "coatcheck, sealed cookie" },
  ours: true,
  async start(store, address) {
    const sessions = await sessionsIn(store, address);
    const actions = throughProperty(withCoatcheck, ({ context }: H3Event) => ({
      session: context.session as unknown as Session<Fields>,
    }));
    return h3App(actions, (app) => void app.use(session(sessions)));
  },
} satisfies Contender;
