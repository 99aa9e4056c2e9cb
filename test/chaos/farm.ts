import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { freePort } from "../servers/process.ts";
import type { ServerSettings } from "./server-process.ts";

/** Server processes over one store. Each keeps its port when it is killed and comes back. */
export interface Farm {
  readonly ports: number[];
  /** SIGKILL. Resolves when the process is gone. */
  kill(server: number): Promise<void>;
  /** Resolves when the server takes requests. */
  start(server: number): Promise<void>;
  /** SIGSTOP. */
  pause(server: number): void;
  /** SIGCONT. */
  resume(server: number): void;
  /** Sets a server's clock wrong by so many milliseconds, for as long as the process lives. */
  shiftClock(server: number, milliseconds: number): void;
  /** What servers printed. */
  output(): string;
  stop(): Promise<void>;
}

export async function startFarm(count: number, settings: Omit<ServerSettings, "port">): Promise<Farm> {
  const ports = await Promise.all(Array.from({ length: count }, freePort));
  const processes: (ChildProcess | undefined)[] = [];
  let output = "";

  async function start(server: number): Promise<void> {
    const child = fork(
      new URL("./server-process.ts", import.meta.url),
      [JSON.stringify({ ...settings, port: ports[server]! } satisfies ServerSettings)],
      { stdio: ["ignore", "pipe", "pipe", "ipc"] },
    );
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.setEncoding("utf8").on("data", (text) => {
        output = (output + text).slice(-20_000);
      });
    }
    processes[server] = child;
    const ended = once(child, "exit").then(() => {
      throw new Error(`server ${server} ended before it took requests:\n${output}`);
    });
    ended.catch(() => {}); // it may end later, when it is meant to
    await Promise.race([once(child, "message"), ended]);
  }

  async function kill(server: number): Promise<void> {
    const child = processes[server];
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }

  // A paused process would not notice that this one is gone.
  const killAll = () => {
    for (const child of processes) child?.kill("SIGKILL");
  };
  process.once("exit", killAll);
  await Promise.all(ports.map((_, server) => start(server)));
  return {
    ports,
    kill,
    start,
    pause: (server) => void processes[server]!.kill("SIGSTOP"),
    resume: (server) => void processes[server]!.kill("SIGCONT"),
    shiftClock(server, milliseconds) {
      const child = processes[server]!;
      if (child.connected) child.send(milliseconds);
    },
    output: () => output,
    async stop() {
      process.off("exit", killAll);
      await Promise.all(ports.map((_, server) => kill(server)));
    },
  };
}
