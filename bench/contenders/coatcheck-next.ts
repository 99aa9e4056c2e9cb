// The contender: coatcheck on Next.
import { nextApp } from "../apps/next.ts";
import type { Contender } from "../contender.ts";

export default {
  framework: "Next.js",
  names: { memory: "coatcheck, memory", cookie: "coatcheck, sealed cookie" },
  ours: true,
  start: (store) => nextApp("coatcheck", store),
} satisfies Contender;
