// The contender: node:http without sessions.
import { nodeApp } from "../apps/node.ts";
import type { Contender } from "../contender.ts";
import { withoutSession } from "./without-session.ts";

export default {
  framework: "node:http",
  names: { none: "bare node:http" },
  start: () => nodeApp(withoutSession, (handler) => handler),
} satisfies Contender;
