// The contender: iron-session on Next.
import { nextApp } from "../apps/next.ts";
import type { Contender } from "../contender.ts";

/** Keeps the session in a sealed cookie. */
export default {
  framework: "Next.js",
  names: { cookie: "iron-session, sealed cookie" },
  start: (store) => nextApp("iron-session", store),
} satisfies Contender;
