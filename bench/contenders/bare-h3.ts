// The contender: h3 without sessions.
import { h3App } from "../apps/h3.ts";
import type { Contender } from "../contender.ts";
import { withoutSession } from "./without-session.ts";

export default {
  framework: "h3",
  names: { none: "bare h3" },
  start: () => h3App(withoutSession),
} satisfies Contender;
