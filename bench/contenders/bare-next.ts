// The contender: Next without sessions.
import { nextApp } from "../apps/next.ts";
import type { Contender } from "../contender.ts";

export default {
  framework: "Next.js",
  names: { none: "bare Next.js" },
  start: (store) => nextApp("bare", store),
} satisfies Contender;
