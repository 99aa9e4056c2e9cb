// The contender: Astro without sessions.
import { astroApp } from "../apps/astro.ts";
import type { Contender } from "../contender.ts";

export default {
  framework: "Astro",
  names: { none: "bare Astro" },
  start: () => astroApp("bare"),
} satisfies Contender;
