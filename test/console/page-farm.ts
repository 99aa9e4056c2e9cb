// A farm with consoles: servers on one Redis, behind a balancer that takes a prefix off each address.

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { balancer } from "../../demo/balancer.ts";
import { buildConsolePage } from "../../scripts/console-page.ts";
import { type RedisServer, startRedis } from "../servers/redis.ts";
import type { PageServerReady, PageServerSettings } from "./page-process.ts";

const PREFIX = "/shop";

export interface PageFarm {
  /** Where the console is, with the prefix. */
  readonly console: string;
  readonly redis: RedisServer;
  /** Signs a user in, in a new browser. Resolves with the session's public id. */
  signIn(owner: string, device: string): Promise<string>;
  /** Sends a request without a session. */
  request(path: string): Promise<string>;
  /** Kills a server, as a crash does. Resolves when it is gone. */
  kill(name: string): Promise<void>;
  /** Starts a server of this name. */
  start(name: string): Promise<void>;
  stop(): Promise<void>;
}

export async function startPageFarm(...names: string[]): Promise<PageFarm> {
  const [redis] = await Promise.all([startRedis(), buildConsolePage()]);
  const servers = new Map<string, { child: ChildProcess; url: string; number: number }>();
  let started = 0;

  async function start(name: string): Promise<void> {
    const settings: PageServerSettings = { name, redis: redis.url };
    const child = fork(new URL("./page-process.ts", import.meta.url), [JSON.stringify(settings)]);
    const [{ port }] = (await once(child, "message")) as [PageServerReady];
    servers.set(name, { child, url: `http://127.0.0.1:${port}`, number: ++started });
  }

  async function kill(name: string): Promise<void> {
    const { child } = servers.get(name)!;
    servers.delete(name);
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }

  await Promise.all(names.map(start));
  const balance = balancer({
    targets: () => [...servers.values()],
    headers: () => ({}),
    onAnswer: () => {},
    noServer: (_, res) => void res.writeHead(502).end(),
  });
  const front = createServer((req, res) => {
    req.url = req.url!.slice(PREFIX.length);
    void balance(req, res);
  });
  await once(front.listen(0, "127.0.0.1"), "listening");
  const base = `http://127.0.0.1:${(front.address() as AddressInfo).port}${PREFIX}`;
  const request = async (path: string) => (await fetch(base + path)).text();
  return {
    console: `${base}/admin/sessions/`,
    redis,
    request,
    signIn: (owner, device) => request(`/sign-in?${new URLSearchParams({ owner, device })}`),
    kill,
    start,
    async stop() {
      front.close();
      front.closeAllConnections();
      await Promise.all([...servers.keys()].map(kill));
      await redis.stop();
    },
  };
}
