// The contender: Hono without sessions.
import { honoApp } from "../apps/hono.ts";
import type { Contender } from "../contender.ts";
import { withoutSession } from "./without-session.ts";

export default {
  framework: "Hono",
  names: { none: "bare Hono" },
  start: () => honoApp(withoutSession),
} satisfies Contender;
