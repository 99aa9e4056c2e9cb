import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import type { Spec } from "./spec.ts";

interface Server {
  child: ChildProcess;
  url: string;
  /** Requests that it has not answered yet. */
  busy: Set<Promise<unknown>>;
}

/** Servers in processes of their own, and what sends each request to the next one. */
export class Farm {
  readonly #servers: Server[] = [];
  #turn = 0;

  static async start(specs: Spec[]): Promise<Farm> {
    const farm = new Farm();
    farm.#servers.push(...(await Promise.all(specs.map(startServer))));
    return farm;
  }

  /** Sends a request to the server whose turn it is. */
  async fetch(path: string, init: RequestInit): Promise<Response> {
    const server = this.#servers[this.#turn++ % this.#servers.length]!;
    const answer = fetch(server.url + path, init);
    const done = answer.catch(() => {}).finally(() => server.busy.delete(done));
    server.busy.add(done);
    return answer;
  }

  /** One server after the other gets the new store, while the others go on. */
  async restart(spec: Spec): Promise<void> {
    for (const [index, old] of this.#servers.entries()) {
      this.#servers[index] = await startServer(spec);
      await Promise.all(old.busy);
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
  return { child, url: `http://127.0.0.1:${port}`, busy: new Set() };
}

async function stopServer({ child }: Server): Promise<void> {
  const ended = once(child, "exit");
  child.send("stop");
  await ended;
}

/** A browser that counts: each of its requests adds one to its session, some of them at the same time. */
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

  /** Two at a time, until it is told that it is enough. */
  async work(isEnough: () => boolean): Promise<void> {
    await this.post(); // for the cookie
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
