// The process that is measured: one contender, and an ear for the harness.
import { writeFileSync } from "node:fs";
import { Session } from "node:inspector/promises";
import type { Contender, StoreName } from "./contender.ts";

export type ServerQuestion =
  /** Collects garbage, so that nobody pays for what was done before. */
  | { ask: "collect" }
  /** CPU time of this process so far, all its threads together, in microseconds by the kernel's accounting. */
  | { ask: "cpu" }
  | { ask: "profile" }
  | { ask: "write profile"; file: string };
export type ServerAnswer = number | NodeJS.CpuUsage;

const [name, store, redisUrl] = process.argv.slice(2) as [string, StoreName, string];
const { default: contender } = (await import(`./contenders/${name}.ts`)) as { default: Contender };
const profiler = new Session();

process.on("message", async (question: ServerQuestion) => {
  process.send!(await answer(question));
});
process.on("disconnect", () => process.exit());
process.send!(await contender.start(store, redisUrl));

async function answer(question: ServerQuestion): Promise<ServerAnswer> {
  switch (question.ask) {
    case "collect":
      globalThis.gc?.();
      return 0;
    case "cpu":
      return process.cpuUsage();
    case "profile":
      profiler.connect();
      await profiler.post("Profiler.enable");
      await profiler.post("Profiler.setSamplingInterval", { interval: 100 });
      await profiler.post("Profiler.start");
      return 0;
    case "write profile": {
      const { profile } = await profiler.post("Profiler.stop");
      writeFileSync(question.file, JSON.stringify(profile));
      profiler.disconnect();
      return 0;
    }
  }
}
