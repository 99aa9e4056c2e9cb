// The contender: Fastify without sessions.
import { fastifyApp } from "../apps/fastify.ts";
import type { Contender } from "../contender.ts";
import { withoutSession } from "./without-session.ts";

export default {
  framework: "Fastify",
  names: { none: "bare Fastify" },
  start: () => fastifyApp(withoutSession),
} satisfies Contender;
