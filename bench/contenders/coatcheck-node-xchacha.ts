// The contender: coatcheck on node:http, sealing with libsodium.
import { session } from "../../src/adapters/node.ts";
import type { Session } from "../../src/index.ts";
import { nodeApp } from "../apps/node.ts";
import type { Contender } from "../contender.ts";
import type { Fields } from "../session-data.ts";
import { sessionsIn, withCoatcheck } from "./coatcheck.ts";

export default {
  framework: "node:http",
  names: {
    cookie: "coatcheck, sealed cookie, XChaCha20",
    file: "coatcheck, file, XChaCha20",
    redis: "coatcheck, redis, XChaCha20",
    cached: "coatcheck, cached(redis), XChaCha20",
  },
  ours: true,
  async start(store, address) {
    const wrap = session(await sessionsIn(store, address, { cipher: "xchacha20-poly1305" }));
    return nodeApp<{ session: Session<Fields> }>(withCoatcheck, wrap);
  },
} satisfies Contender;
