// The server processes of the farm.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { tempDir } from "../test/servers/process.ts";
import type { Ready, Setup } from "./server.ts";
import type { ServerState } from "./state.ts";

/** Servers that can be started, killed and replaced one by one. */
export interface Fleet {
  /** The current states, in the order of their numbers. */
  readonly servers: readonly ServerState[];
  /** Starts a server if it is down. Resolves when it takes requests; rejects if it ends before that. */
  start(number: number): Promise<void>;
  /** Sends SIGKILL: pending requests are not finished, and nothing more is saved. Resolves when the process has ended. */
  kill(number: number): Promise<void>;
  /**
   * Starts a new process in place of the old one, as a deployment does. The old one finishes its requests and ends.
   * Rejects if the new one ends before it takes requests.
   */
  replace(number: number): Promise<void>;
  /** Sends SIGTERM to all servers. Resolves when all have ended. */
  stop(): Promise<void>;
}

/** Milliseconds after which a server that does not end is killed. */
const KILL_AFTER_MS = 3_000;

/** `count` servers, all down. Each starts with the `setup` of that moment. `onChange` is called with each new state. */
export function fleet(
  count: number,
  setup: () => Omit<Setup, "number">,
  onChange: (server: ServerState) => void,
): Fleet {
  const servers: ServerState[] = Array.from({ length: count }, (_, i) => ({ number: i + 1, state: "down" }));
  const processes = new Map<number, ChildProcess>();
  const compileCache = tempDir("compiled"); // servers that start later need not compile what the first ones have

  function setState(server: ServerState): void {
    servers[server.number - 1] = server;
    onChange(server);
  }

  /** Starts a process, and resolves when it takes requests. `onStart` is called immediately. */
  async function run(number: number, onStart: (child: ChildProcess) => void): Promise<void> {
    const child = fork(new URL("./server.ts", import.meta.url), {
      env: {
        NODE_COMPILE_CACHE: compileCache,
        ...process.env,
        CLOAKROOM_SERVER: JSON.stringify({ ...setup(), number } satisfies Setup),
      },
    });
    const ended = once(child, "exit").then(() => {
      if (processes.get(number) !== child) return;
      processes.delete(number);
      setState({ number, state: "down" });
    });
    onStart(child);
    const ready: Ready | undefined = await Promise.race([once(child, "message").then(([message]) => message), ended]);
    if (ready === undefined) throw new Error(`server ${number} ended before it took requests`);
    const replaced = processes.get(number);
    processes.set(number, child);
    setState({ number, state: "up", pid: child.pid!, url: `http://127.0.0.1:${ready.port}` });
    if (replaced !== undefined && replaced !== child) await end(replaced, "SIGTERM");
  }

  async function end(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), KILL_AFTER_MS);
    await ended;
    clearTimeout(timer);
  }

  return {
    servers,
    async start(number) {
      if (processes.has(number)) return;
      await run(number, (child) => {
        processes.set(number, child);
        setState({ number, state: "starting", pid: child.pid! });
      });
    },
    kill: (number) => end(processes.get(number), "SIGKILL"),
    replace: (number) => run(number, () => {}),
    stop: async () => void (await Promise.all(servers.map(({ number }) => end(processes.get(number), "SIGTERM")))),
  };
}
