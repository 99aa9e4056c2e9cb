// The contender: coatcheck on Fastify, sealing with libsodium.
import { session } from "../../src/adapters/fastify.ts";
import { fastifyApp } from "../apps/fastify.ts";
import type { Contender } from "../contender.ts";
import { sessionsIn, withCoatcheck } from "./coatcheck.ts";

export default {
  framework: "Fastify",
  names: { cookie: "coatcheck, sealed cookie, XChaCha20" },
  ours: true,
  async start(store, address) {
    const sessions = await sessionsIn(store, address, { cipher: "xchacha20-poly1305" });
    return fastifyApp(withCoatcheck, (app) => void app.register(session(sessions)));
  },
} satisfies Contender;
