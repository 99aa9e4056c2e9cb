// The contender: coatcheck on Astro.
import { astroApp } from "../apps/astro.ts";
import type { Contender } from "../contender.ts";

export default {
  framework: "Astro",
  names: { memory: "coatcheck, memory" },
  ours: true,
  start: () => astroApp("coatcheck"),
} satisfies Contender;
