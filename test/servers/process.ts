// Runs servers with temporary data, for tests, the demo and the benchmark.
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export interface LaunchOptions {
  /** The name in messages, such as "redis-server on port 20123". */
  name: string;
  command: string;
  args: string[];
  /** True once the server answers. An error counts as false. */
  ready: () => boolean | Promise<boolean>;
  /** Default: this process's. */
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  /** The user and group of the process, for servers that refuse root. */
  uid?: number;
  gid?: number;
  /** The signal that asks the server to stop. Default: SIGTERM. */
  stopSignal?: NodeJS.Signals;
  /** Milliseconds within which the server must be ready. Default: 30,000. */
  timeout?: number;
}

/** A server that can be stopped and started again. It ends with this process, except on SIGKILL. */
export interface ServerProcess {
  /** Changes with `start` and `restart`. */
  readonly pid: number;
  readonly running: boolean;
  /** The output so far. */
  output(): string;
  /** Asks the server to stop, and kills it after 5 s. */
  stop(): Promise<void>;
  /** Sends SIGKILL to the server and its children. */
  kill(): Promise<void>;
  /** Starts the server again with the same arguments. Resolves when it is ready. */
  start(): Promise<void>;
  /** `stop`, then `start`. */
  restart(): Promise<void>;
  /** Sends SIGSTOP: connections stay open, and nothing answers. */
  pause(): void;
  /** Sends SIGCONT. */
  resume(): void;
}

/** Starts a server and resolves when it is ready. Rejects with its output if it exits or takes too long. */
export async function launch(options: LaunchOptions): Promise<ServerProcess> {
  const log = join(tempDir("log"), "output");
  let pid = 0;
  let exited: Promise<void> | undefined;
  let child: ChildProcess;

  const output = () => readFileSync(log, "utf8");

  function signal(name: NodeJS.Signals, group = true): void {
    if (exited === undefined) return;
    try {
      process.kill(group ? -pid : pid, name);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }

  async function end(name: NodeJS.Signals, group: boolean): Promise<void> {
    signal("SIGCONT");
    signal(name, group);
    const timer = setTimeout(signal, 5_000, "SIGKILL");
    // This process must not exit while it waits for a server that ends slowly.
    child.ref();
    await exited;
    clearTimeout(timer);
  }

  async function start(): Promise<void> {
    const file = openSync(log, "a");
    // A separate process group, so that a server's workers are killed with it.
    const started = spawn(options.command, options.args, {
      stdio: ["ignore", file, file],
      detached: true,
      ...(options.env && { env: options.env }),
      ...(options.cwd && { cwd: options.cwd }),
      ...(options.uid !== undefined && { uid: options.uid }),
      ...(options.gid !== undefined && { gid: options.gid }),
    });
    closeSync(file);
    child = started;
    let failure: string | undefined;
    const ended = new Promise<void>((resolve) => {
      const done = (reason: string) => {
        failure = reason;
        exited = undefined;
        if (started.pid !== undefined) groups.delete(started.pid);
        resolve();
      };
      started.once("error", (error) => done(spawnError(options.command, error).message));
      started.once("exit", (code, name) => done(`it exited with ${name ?? code}`));
    });
    if (started.pid !== undefined) {
      pid = started.pid;
      exited = ended;
      groups.add(pid);
      // A forgotten server must not keep a finished test from exiting.
      started.unref();
    }
    try {
      await waitFor(
        options.name,
        () => {
          if (failure !== undefined) throw new Fatal(`${options.name}: ${failure}`);
          return options.ready();
        },
        options.timeout,
      );
    } catch (error) {
      await end("SIGKILL", true);
      throw new Error(`${(error as Error).message}\n${output().slice(-4_000)}`);
    }
  }

  await start();
  const stop = () => end(options.stopSignal ?? "SIGTERM", false);
  return {
    get pid() {
      return pid;
    },
    get running() {
      return exited !== undefined;
    },
    output,
    stop,
    kill: () => end("SIGKILL", true),
    start,
    async restart() {
      await stop();
      await start();
    },
    pause: () => signal("SIGSTOP"),
    resume: () => signal("SIGCONT"),
  };
}

/**
 * A free loopback port. It lies below the kernel's range for outgoing connections, so that it is still free when a stopped
 * server starts again, and a client that keeps trying it cannot connect to itself.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 12_000 + Math.floor(Math.random() * 20_000);
    if (!given.has(port) && (await isFree(port))) {
      given.add(port);
      return port;
    }
  }
}

/** A directory that is removed when this process exits. */
export function tempDir(name = "data"): string {
  const dir = mkdtempSync(join(tmpdir(), `coatcheck-${name}-`));
  dirs.add(dir);
  return dir;
}

/** Calls `check` every few milliseconds until it is true. An error counts as false; the last one is in the rejection. */
export async function waitFor(what: string, check: () => boolean | Promise<boolean>, timeout = 30_000): Promise<void> {
  const until = Date.now() + timeout;
  let last: unknown;
  for (let pause = 5; ; pause = Math.min(pause * 1.5, 100)) {
    try {
      if (await check()) return;
    } catch (error) {
      if (error instanceof Fatal) throw error;
      last = error;
    }
    if (Date.now() > until) throw new Error(`${what}: not ready after ${timeout} ms${last ? ` (${last})` : ""}`);
    await sleep(pause);
  }
}

/** Runs a command and resolves with its output. Rejects with the output if it fails. */
export async function run(
  command: string,
  args: string[],
  options: { env?: NodeJS.ProcessEnv; cwd?: string; uid?: number; gid?: number; input?: string } = {},
): Promise<string> {
  const { input, ...rest } = options;
  const child = spawn(command, args, { ...rest, stdio: ["pipe", "pipe", "pipe"] });
  let printed = "";
  let errors = "";
  child.stdout.on("data", (data) => {
    printed += data;
  });
  child.stderr.on("data", (data) => {
    errors += data;
  });
  child.stdin.on("error", () => {});
  child.stdin.end(input ?? "");
  const code = await new Promise((resolve, reject) => {
    child.once("error", (error) => reject(spawnError(command, error)));
    child.once("close", (code, signal) => resolve(signal ?? code));
  });
  if (code !== 0) throw new Error(`${command} ${args.join(" ")}: exited with ${code}\n${printed}${errors}`);
  return printed;
}

/** Names the installation command if the program is missing. */
function spawnError(command: string, error: NodeJS.ErrnoException): Error {
  return error.code === "ENOENT" ? new Error(`${command} is missing: "npm run servers" installs the servers`) : error;
}

/** Ends a `waitFor` immediately. */
class Fatal extends Error {}

const given = new Set<number>();
const dirs = new Set<string>();
const groups = new Set<number>();

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

process.once("exit", () => {
  for (const pid of groups) {
    try {
      process.kill(-pid, "SIGKILL");
    } catch {
      // Already gone.
    }
  }
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
});

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => {
    // A program with its own handler decides when to exit.
    if (process.listenerCount(signal) === 0) process.exit(128 + { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 }[signal]);
  });
}
