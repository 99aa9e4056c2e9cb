// The contender: coatcheck on node:http.
import { session } from "../../src/adapters/node.ts";
import type { Session } from "../../src/index.ts";
import { nodeApp } from "../apps/node.ts";
import type { Contender } from "../contender.ts";
import type { Fields } from "../session-data.ts";
import { sessionsIn, withCoatcheck } from "./coatcheck.ts";

export default {
  framework: "node:http",
  names: {
    memory: "coatcheck, memory",
    cookie: "coatcheck, sealed cookie",
    file: "coatcheck, file",
    redis: "coatcheck, redis",
    cached: "coatcheck, cached(redis)",
  },
  ours: true,
  async start(store, address) {
    const wrap = session(await sessionsIn(store, address));
    return nodeApp<{ session: Session<Fields> }>(withCoatcheck, wrap);
  },
} satisfies Contender;
