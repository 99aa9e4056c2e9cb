// The measured process: runs one contender, and answers the harness over IPC.
import { readFileSync, writeFileSync } from "node:fs";
import { Session } from "node:inspector/promises";
import type { Contender, StoreName } from "./contender.ts";

export type ServerQuestion = { ask: "times" } | { ask: "profile" } | { ask: "write profile"; file: string };

/** In microseconds since the process began, by the kernel's accounting. */
export interface Times {
  /** CPU time of all threads. */
  user: number;
  system: number;
  /** Time that the main thread was ready to run while another thread had the CPU. */
  waited: number;
}
export type ServerAnswer = number | Times;

const [name, store, address] = process.argv.slice(2) as [string, StoreName, string];
const { default: contender } = (await import(`./contenders/${name}.ts`)) as { default: Contender };
const profiler = new Session();

process.on("message", async (question: ServerQuestion) => {
  process.send!(await answer(question));
});
process.on("disconnect", () => process.exit());
process.send!(await contender.start(store, address));

async function answer(question: ServerQuestion): Promise<ServerAnswer> {
  switch (question.ask) {
    case "times":
      return { ...process.cpuUsage(), waited: waited() };
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

function waited(): number {
  try {
    return Number(readFileSync("/proc/self/schedstat", "utf8").split(" ")[1]) / 1000;
  } catch {
    return 0; // only Linux has it
  }
}
