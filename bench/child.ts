// Child processes of the benchmark: started on one CPU, and asked over IPC.
import { execFileSync, spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { hasTaskset } from "./machine.ts";

/** A process that answers one question at a time. */
export interface Child<Question, Answer> {
  readonly pid: number;
  ask(question: Question): Promise<Answer>;
  stop(): Promise<void>;
}

/** The CPU of each process. The server has one to itself. */
export const CPUS = { server: 0, generator: 1, database: availableParallelism() > 2 ? 2 : 1 };

/** Pins a running process to one CPU. */
export function pin(pid: number, cpu: number): void {
  if (hasTaskset) execFileSync("taskset", ["-a", "-c", "-p", String(cpu), String(pid)], { stdio: "ignore" });
}

/** Runs a script of this folder with Node, on one CPU if `cpu` is given. Resolves with its first message. */
export async function startChild<Question extends object, Answer>(
  script: string,
  args: string[],
  cpu: number | undefined,
  { nodeFlags = [], env = {} }: { nodeFlags?: string[]; env?: NodeJS.ProcessEnv } = {},
): Promise<{ child: Child<Question, Answer>; hello: Answer }> {
  const pinned = hasTaskset && cpu !== undefined ? ["taskset", "-c", String(cpu)] : [];
  const node = [process.execPath, ...nodeFlags, new URL(script, import.meta.url).pathname];
  const [command, ...rest] = [...pinned, ...node, ...args];
  const spawned = spawn(command!, rest, {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    env: { ...process.env, NODE_ENV: "production", ...env },
    serialization: "advanced",
  });

  let answered: { resolve(answer: Answer): void; reject(error: Error): void } | undefined;
  spawned.on("message", (answer) => answered?.resolve(answer as Answer));
  const gone = new Promise<void>((resolve) => {
    spawned.once("exit", (code, signal) => {
      answered?.reject(new Error(`${script} ${args.join(" ")} exited with ${signal ?? code}`));
      resolve();
    });
  });
  const answer = () =>
    new Promise<Answer>((resolve, reject) => {
      answered = { resolve, reject };
    });

  const hello = await answer();
  return {
    hello,
    child: {
      pid: spawned.pid!,
      ask(question) {
        const promise = answer();
        spawned.send(question);
        return promise;
      },
      async stop() {
        if (spawned.connected) spawned.disconnect();
        await gone;
      },
    },
  };
}
