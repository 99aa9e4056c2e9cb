// The contender: Koa without sessions.
import { koaApp } from "../apps/koa.ts";
import type { Contender } from "../contender.ts";
import { withoutSession } from "./without-session.ts";

export default {
  framework: "Koa",
  names: { none: "bare Koa" },
  start: () => koaApp(withoutSession),
} satisfies Contender;
