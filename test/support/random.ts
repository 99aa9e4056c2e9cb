// Random tests: the same values in every run, so that a run that passes passes again. SEED=7 gives others.

import fc from "fast-check";

const TIMES = Number(process.env.TIMES ?? 1);

/** `SEED=new`: others in each run. A test that fails prints the seed that repeats it. */
export const SEED = process.env.SEED === "new" ? Math.floor(Math.random() * 2 ** 31) : Number(process.env.SEED ?? 1);

fc.configureGlobal({ seed: SEED });

/** How often a test tries. `TIMES=50` in the environment: 50 times as often. */
export function runs(usual: number): number {
  return Math.ceil(usual * TIMES);
}

export default fc;
