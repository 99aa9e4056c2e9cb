// A farm of server processes with a console each.

import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import type { ConsoleState, ServerReport } from "../../src/console/protocol.ts";
import { waitFor } from "../servers/process.ts";
import type { FarmSettings, Order, Reply } from "./farm-process.ts";
import { type Ask, at } from "./viewer.ts";

/** One browser: its Cookie header. */
export interface Client {
  cookie?: string;
}

export class FarmServer {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #replies = new Map<number, (reply: Reply) => void>();
  readonly #reached = new Set<string>();
  #orders = 0;
  /** The address of its console. */
  ask: Ask = () => Promise.reject(new Error("not started"));

  private constructor(settings: FarmSettings) {
    this.name = settings.name;
    this.#child = fork(new URL("./farm-process.ts", import.meta.url), [JSON.stringify(settings)]);
  }

  static async start(settings: FarmSettings): Promise<FarmServer> {
    const server = new FarmServer(settings);
    const ended = once(server.#child, "exit").then(([code]) => assert.fail(`${settings.name} has ended with ${code}`));
    const [port] = (await Promise.race([once(server.#child, "message"), ended])) as [number];
    ended.catch(() => {});
    server.ask = at(`http://127.0.0.1:${port}/console/`);
    server.#child.on("message", (reply: Reply) => {
      if (reply.id === -1) server.#reached.add(reply.result as string);
      server.#replies.get(reply.id)?.(reply);
      server.#replies.delete(reply.id);
    });
    server.#child.on("exit", () => {
      for (const [id, resolve] of server.#replies) resolve({ id, error: "the server has ended" });
    });
    return server;
  }

  /** Does one thing there, as this client's request if it is one. */
  async do(action: Order["action"], client: Client = {}, order: Partial<Order> = {}): Promise<unknown> {
    const id = ++this.#orders;
    const replied = new Promise<Reply>((resolve) => this.#replies.set(id, resolve));
    if (!this.isRunning) throw new Error(`${this.name} has ended`);
    this.#child.send({ id, action, ...(client.cookie !== undefined && { cookie: client.cookie }), ...order });
    const { cookies = [], result, error } = await replied;
    assert.equal(error, undefined, `${this.name}, ${action}`);
    for (const setCookie of cookies) keep(client, setCookie);
    return result;
  }

  /** Begins a request that is held after it has read. Gives what lets it go, and waits for its end. */
  async hold(client: Client, order: Partial<Order> = {}): Promise<() => Promise<void>> {
    const argument = `held ${++this.#orders}`;
    const ended = this.do("hold", client, { ...order, argument });
    ended.catch(() => {});
    await waitFor("the request that is held", () => this.#reached.has(argument));
    return async () => {
      await this.do("go", {}, { argument });
      await ended;
    };
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async kill(): Promise<void> {
    if (!this.isRunning) return;
    const ended = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await ended;
  }
}

export function startFarm(count: number, settings: Omit<FarmSettings, "name">): Promise<FarmServer[]> {
  const names = Array.from({ length: count }, (_, i) => `web-${i + 1}`);
  return Promise.all(names.map((name) => FarmServer.start({ ...settings, name })));
}

/** Each server's name and status. */
export function statuses({ servers }: ConsoleState): string[] {
  return servers.map(({ name, status }) => `${name} ${status}`).sort();
}

export function reportOf({ servers }: ConsoleState, name: string): ServerReport | undefined {
  return servers.find((server) => server.name === name);
}

function keep(client: Client, setCookie: string): void {
  const [pair = ""] = setCookie.split(";");
  const name = pair.slice(0, pair.indexOf("=") + 1);
  const others = (client.cookie ?? "").split("; ").filter((one) => one !== "" && !one.startsWith(name));
  if (!setCookie.includes("Max-Age=0")) others.push(pair);
  if (others.length > 0) client.cookie = others.join("; ");
  else delete client.cookie;
}
