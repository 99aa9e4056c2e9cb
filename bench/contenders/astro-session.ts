// The contender: Astro's own sessions.
import { astroApp } from "../apps/astro.ts";
import type { Contender } from "../contender.ts";

export default {
  framework: "Astro",
  names: { memory: "Astro, memory" },
  start: () => astroApp("own"),
} satisfies Contender;
