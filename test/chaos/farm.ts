// The server processes of the chaos test.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { freePort } from "../servers/process.ts";
import type { ServerMessage, ServerSettings } from "./server-process.ts";

/** Server processes over one store. A server that is started again keeps its port. */
export interface Farm {
  readonly ports: number[];
  /** Sends SIGKILL. Resolves when the process has ended. */
  kill(server: number): Promise<void>;
  /**
   * Lets a server answer its requests, and starts it again in the same process, with the settings that it has then. Resolves
   * when it takes requests.
   */
  restart(server: number): Promise<void>;
  /** Resolves when the server takes requests. */
  start(server: number): Promise<void>;
  /** Sends SIGSTOP. */
  pause(server: number): void;
  /** Sends SIGCONT. */
  resume(server: number): void;
  /** Sets a server's clock wrong by this many milliseconds. It stays wrong when the server is started again. */
  shiftClock(server: number, milliseconds: number): void;
  /** Rejects when a server ends by itself. */
  readonly crashed: Promise<never>;
  /** The last output of all servers. */
  output(): string;
  /** Kills all servers. */
  end(): Promise<void>;
}

/** A server's settings, which it gets whenever it is started. */
export type SettingsOf = (server: number) => Omit<ServerSettings, "port" | "clock">;

/** `clocks`: by how many milliseconds each server's clock is wrong. */
export async function startFarm(clocks: readonly number[], settingsOf: SettingsOf): Promise<Farm> {
  const shifts = [...clocks];
  const ports = await Promise.all(shifts.map(freePort));
  const processes: (ChildProcess | undefined)[] = [];
  const ending = new Set<ChildProcess>();
  const { promise: crashed, reject: crash } = Promise.withResolvers<never>();
  crashed.catch(() => {});
  let output = "";
  let isOver = false;

  const settings = (server: number): ServerSettings => ({
    ...settingsOf(server),
    port: ports[server]!,
    clock: shifts[server]!,
  });

  async function start(server: number): Promise<void> {
    if (isOver) throw new Error("the farm has ended");
    const child = fork(new URL("./server-process.ts", import.meta.url), [JSON.stringify(settings(server))], {
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.setEncoding("utf8").on("data", (text) => {
        output = (output + text).slice(-20_000);
      });
    }
    processes[server] = child;
    child.once("exit", (code, signal) => {
      if (!ending.has(child)) crash(new Error(`server ${server} ended by itself (${signal ?? code}):\n${output}`));
    });
    await Promise.race([once(child, "message"), crashed]);
  }

  async function kill(server: number): Promise<void> {
    const child = processes[server];
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    ending.add(child);
    child.kill("SIGKILL");
    await ended;
  }

  function send(server: number, message: ServerMessage): void {
    const child = processes[server]!;
    if (child.connected) child.send(message);
  }

  // A paused process would not notice the end of this one.
  const killAll = () => {
    for (const child of processes) child?.kill("SIGKILL");
  };
  process.once("exit", killAll);
  await Promise.all(ports.map((_, server) => start(server)));
  return {
    ports,
    kill,
    start,
    async restart(server) {
      send(server, { restart: settings(server) });
      await Promise.race([once(processes[server]!, "message"), crashed]);
    },
    pause: (server) => void processes[server]!.kill("SIGSTOP"),
    resume: (server) => void processes[server]!.kill("SIGCONT"),
    shiftClock(server, milliseconds) {
      shifts[server] = milliseconds;
      send(server, { clock: milliseconds });
    },
    crashed,
    output: () => output,
    async end() {
      isOver = true;
      process.off("exit", killAll);
      await Promise.all(ports.map((_, server) => kill(server)));
    },
  };
}
