// Starts counting servers (fixtures/counter), and browsers that use them.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { Agent, request } from "node:http";
import { fileURLToPath } from "node:url";
import type { ServerMessage, Setup } from "../fixtures/counter/server.ts";

/** A counting server, in its own process. */
export interface CounterServer {
  readonly port: number;
  readonly child: ChildProcess;
  /** The events of its store, in order. */
  readonly messages: ServerMessage[];
  /** Resolves with the exit code when the process has ended. */
  readonly exited: Promise<number | null>;
}

const SERVER = fileURLToPath(new URL("../fixtures/counter/server.ts", import.meta.url));

export async function startCounter(setup: Setup): Promise<CounterServer> {
  const child = fork(SERVER, [JSON.stringify(setup)]);
  const messages: ServerMessage[] = [];
  const exited = once(child, "exit").then(([code]) => code as number | null);
  const [first] = (await Promise.race([
    once(child, "message"),
    exited.then((code) => Promise.reject(new Error(`the server exited with ${code}`))),
  ])) as [{ port: number }];
  child.on("message", (message: ServerMessage) => messages.push(message));
  return { port: first.port, child, messages, exited };
}

export interface Reply {
  /** Undefined if the connection was refused or broken. */
  status: number | undefined;
  body: string;
  headers: Record<string, unknown>;
  milliseconds: number;
}

/** A browser that uses one session on every server. */
export class CountingBrowser {
  readonly #agent = new Agent({ keepAlive: true });
  cookie: string | undefined;
  /** How many increments were answered with 200. */
  saved = 0;
  /** How many increments were not. */
  failed = 0;

  async get(port: number): Promise<Reply> {
    return this.#ask(port, "GET");
  }

  async increment(port: number): Promise<Reply> {
    const reply = await this.#ask(port, "POST");
    if (reply.status === 200) this.saved++;
    else this.failed++;
    return reply;
  }

  close(): void {
    this.#agent.destroy();
  }

  #ask(port: number, method: string): Promise<Reply> {
    const began = performance.now();
    const headers = this.cookie === undefined ? {} : { cookie: this.cookie };
    return new Promise((resolve) => {
      const end = (reply: Omit<Reply, "milliseconds">) =>
        resolve({ ...reply, milliseconds: performance.now() - began });
      const broken = () => end({ status: undefined, body: "", headers: {} });
      const asking = request({ host: "127.0.0.1", port, method, headers, agent: this.#agent }, (answer) => {
        let body = "";
        answer.on("data", (data) => {
          body += data;
        });
        answer.on("error", broken);
        answer.on("end", () => {
          this.cookie = answer.headers["set-cookie"]?.[0]?.split(";")[0] ?? this.cookie;
          end({ status: answer.statusCode, body, headers: answer.headers });
        });
      });
      asking.on("error", broken);
      asking.end();
    });
  }
}
