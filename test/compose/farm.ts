// A farm of server processes behind a load balancer, and its clients.

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import type { Spec } from "./spec.ts";

interface Server {
  child: ChildProcess;
  url: string;
  /** Requests that it has not answered yet. */
  pending: Set<Promise<unknown>>;
}

/** Servers, each in its own process, and a load balancer that sends each request to the next server. */
export class Farm {
  readonly #servers: Server[] = [];
  #next = 0;

  static async start(specs: Spec[]): Promise<Farm> {
    const farm = new Farm();
    farm.#servers.push(...(await Promise.all(specs.map(startServer))));
    return farm;
  }

  /** Sends a request to the next server. */
  async fetch(path: string, init: RequestInit): Promise<Response> {
    const server = this.#servers[this.#next++ % this.#servers.length]!;
    const answer = fetch(server.url + path, init);
    const done = answer.catch(() => {}).finally(() => server.pending.delete(done));
    server.pending.add(done);
    return answer;
  }

  /** Restarts one server after the other with the new store, while the others go on. */
  async restart(spec: Spec): Promise<void> {
    for (const [index, old] of this.#servers.entries()) {
      this.#servers[index] = await startServer(spec);
      await Promise.all(old.pending);
      await stopServer(old);
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#servers.map(stopServer));
  }
}

async function startServer(spec: Spec): Promise<Server> {
  const child = fork(new URL("./farm-process.ts", import.meta.url), [JSON.stringify(spec)], { execArgv: [] });
  const [port] = await once(child, "message");
  return { child, url: `http://127.0.0.1:${port}`, pending: new Set() };
}

async function stopServer({ child }: Server): Promise<void> {
  const ended = once(child, "exit");
  child.send("stop");
  await ended;
}

/** A browser. Each of its POST requests adds 1 to its session's count, some of them concurrently. */
export class Client {
  readonly #farm: Farm;
  #cookie: string | undefined;
  sent = 0;
  readonly failures: string[] = [];

  constructor(farm: Farm) {
    this.#farm = farm;
  }

  async post(): Promise<void> {
    this.sent++;
    await this.#request("/", "POST");
  }

  /** Sends two requests at a time until `isEnough` gives true. */
  async postUntil(isEnough: () => boolean): Promise<void> {
    await this.post(); // gets the cookie
    while (!isEnough()) await Promise.all([this.post(), this.post()]);
  }

  async count(): Promise<number> {
    return JSON.parse(await this.#request("/", "GET")).n;
  }

  async logOut(): Promise<void> {
    await this.#request("/logout", "POST", true);
  }

  async #request(path: string, method: string, keepCookie = false): Promise<string> {
    const answer = await this.#farm.fetch(path, { method, ...(this.#cookie && { headers: { cookie: this.#cookie } }) });
    if (answer.status !== 200) this.failures.push(`${method} ${path}: ${answer.status}`);
    for (const cookie of answer.headers.getSetCookie()) if (!keepCookie) this.#cookie = cookie.split(";")[0]!;
    return answer.text();
  }
}
