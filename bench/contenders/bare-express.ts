// The contender: Express without sessions.
import { expressApp } from "../apps/express.ts";
import type { Contender } from "../contender.ts";
import { withoutSession } from "./without-session.ts";

export default {
  framework: "Express",
  names: { none: "bare Express" },
  start: () => expressApp(withoutSession),
} satisfies Contender;
