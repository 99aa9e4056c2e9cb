import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import type { Ready, Setup } from "./server.ts";

/** One server. Its number counts from 1; its URL is where it takes requests. */
export type ServerState =
  | { readonly number: number; readonly state: "down" }
  | { readonly number: number; readonly state: "starting"; readonly pid: number }
  | { readonly number: number; readonly state: "up"; readonly pid: number; readonly url: string };

/** Server processes that are started and killed one by one. */
export interface Fleet {
  /** As they are now, by number. */
  readonly servers: readonly ServerState[];
  /** Starts a server if it is down. Resolves when it takes requests; rejects if it ends before that. */
  start(number: number): Promise<void>;
  /** SIGKILL: no goodbye, no last request finished, nothing saved. Resolves when the process is gone. */
  kill(number: number): Promise<void>;
  /** Asks all of them to end. Resolves when all are gone. */
  stop(): Promise<void>;
}

const PATIENCE = 3_000;

/** `count` servers, all down. `changed` hears of every change of one. */
export function fleet(count: number, setup: Omit<Setup, "number">, changed: (server: ServerState) => void): Fleet {
  const servers: ServerState[] = Array.from({ length: count }, (_, i) => ({ number: i + 1, state: "down" }));
  const processes = new Map<number, ChildProcess>();

  function become(server: ServerState): void {
    servers[server.number - 1] = server;
    changed(server);
  }

  async function start(number: number): Promise<void> {
    if (processes.has(number)) return;
    const child = fork(new URL("./server.ts", import.meta.url), {
      env: { ...process.env, CLOAKROOM_SERVER: JSON.stringify({ ...setup, number } satisfies Setup) },
    });
    const pid = child.pid!;
    processes.set(number, child);
    become({ number, state: "starting", pid });
    const ended = once(child, "exit").then(() => {
      processes.delete(number);
      become({ number, state: "down" });
    });
    const ready: Ready | undefined = await Promise.race([once(child, "message").then(([message]) => message), ended]);
    if (ready === undefined) throw new Error(`server ${number} ended before it took requests`);
    become({ number, state: "up", pid, url: `http://127.0.0.1:${ready.port}` });
  }

  async function end(number: number, signal: NodeJS.Signals): Promise<void> {
    const child = processes.get(number);
    if (child === undefined) return;
    const ended = once(child, "exit");
    child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE);
    await ended;
    clearTimeout(timer);
  }

  return {
    servers,
    start,
    kill: (number) => end(number, "SIGKILL"),
    stop: async () => void (await Promise.all(servers.map(({ number }) => end(number, "SIGTERM")))),
  };
}
