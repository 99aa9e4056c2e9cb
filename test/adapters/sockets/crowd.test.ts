// A thousand sockets on two servers over Redis: the sockets of owners who are revoked are closed, and nothing is left.

import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Socket as IoSocket, io } from "socket.io-client";
import type { Sessions } from "../../../src/index.ts";
import { redis } from "../../../src/stores/redis/index.ts";
import { type RedisServer, startRedis } from "../../servers/redis.ts";
import { type Client, type Data, openSocket, sessionsWith, signedIn, until } from "./kit.ts";

const OWNERS = 500;
const REVOKED = 100;

interface Held {
  sockets: number;
  connections: number;
  tcp: number;
  timers: number;
  listeners: number[];
  heap: number;
}

interface Server {
  port: number;
  process: ChildProcess;
  held(): Promise<Held>;
}

let server: RedisServer;
before(async () => {
  server = await startRedis();
});
after(() => server.stop());

async function start(announces: boolean): Promise<Server> {
  const child = fork(new URL("crowd-process.ts", import.meta.url), [server.url, announces ? "yes" : "no"], {
    execArgv: ["--expose-gc"],
    env: { ...process.env, NODE_TEST_CONTEXT: "" },
  });
  const [port] = (await once(child, "message")) as [number];
  return {
    port,
    process: child,
    async held() {
      const answer = once(child, "message");
      child.send("held");
      return (await answer)[0] as Held;
    },
  };
}

async function stop(servers: Server[]): Promise<void> {
  for (const { process } of servers) {
    const exit = once(process, "exit");
    process.send("stop");
    const killer = setTimeout(() => process.kill("SIGKILL"), 10_000);
    await exit;
    clearTimeout(killer);
    assert.equal(process.signalCode, null, "something has kept the server alive");
  }
}

/** Does the work for each item, a few at a time. */
async function each<Item>(items: readonly Item[], work: (item: Item, i: number) => Promise<unknown>): Promise<void> {
  const left = [...items.entries()].reverse();
  const one = async () => {
    for (let next = left.pop(); next !== undefined; next = left.pop()) await work(next[1], next[0]);
  };
  await Promise.all(Array.from({ length: 25 }, one));
}

for (const announces of [true, false]) {
  describe(`a crowd over Redis, ${announces ? "with" : "without"} announcements`, () => {
    let servers: Server[];
    let sessions: Sessions<Data>;
    before(async () => {
      await server.cli("flushall");
      servers = [await start(announces), await start(announces)];
      sessions = sessionsWith(redis({ url: server.url, notify: announces }));
    });
    after(async () => {
      await sessions.close();
      await stop(servers);
    });

    test(`the sockets of ${REVOKED} owners, and no others, are closed`, async (t) => {
      const owners = Array.from({ length: OWNERS }, (_, i) => `user-${i}`);
      const clients = new Map<string, (Client | { closed: { at: number } | undefined })[]>();
      const ioSockets: IoSocket[] = [];
      await each(owners, async (owner, i) => {
        const cookie = await signedIn(sessions, owner);
        // A tab on each server. Every tenth owner uses Socket.IO.
        clients.set(owner, []);
        for (const { port } of servers) {
          if (i % 10 !== 0) clients.get(owner)!.push(await openSocket(`ws://127.0.0.1:${port}/ws`, cookie));
          else {
            const socket = io(`http://127.0.0.1:${port}`, {
              path: "/io",
              extraHeaders: { cookie },
              transports: ["websocket"],
              forceNew: true,
              reconnection: false,
            });
            ioSockets.push(socket);
            const client = { closed: undefined as { at: number } | undefined };
            socket.on("disconnect", () => {
              client.closed = { at: performance.now() };
            });
            await once(socket as never, "connect");
            clients.get(owner)!.push(client);
          }
        }
      });
      const held = await Promise.all(servers.map((one) => one.held()));
      assert.deepEqual(
        held.map(({ sockets }) => sockets),
        [OWNERS, OWNERS],
      );
      await sleep(1000);

      const revoked = owners.filter((_, i) => i % (OWNERS / REVOKED) === 0);
      const started = performance.now();
      const ended = new Map<string, number>();
      await each(revoked, async (owner) => {
        assert.equal(await sessions.revokeAll(owner), 1);
        ended.set(owner, performance.now());
      });
      const took = performance.now() - started;
      const ofRevoked = revoked.flatMap((owner) => clients.get(owner)!.map((client) => ({ owner, client })));
      await until(() => ofRevoked.every(({ client }) => client.closed));
      const delays = ofRevoked.map(({ owner, client }) => client.closed!.at - ended.get(owner)!).sort((a, b) => a - b);
      t.diagnostic(
        `${ofRevoked.length} sockets of ${OWNERS * 2} closed; revokeAll of ${REVOKED} owners took ${took.toFixed()} ms; from a call's answer to the close: median ${delays[delays.length / 2]!.toFixed()} ms, last ${delays.at(-1)!.toFixed()} ms`,
      );
      await sleep(1500);
      const closed = owners.filter((owner) => clients.get(owner)!.some(({ closed }) => closed));
      assert.deepEqual(closed, revoked);

      // The server waits for each owner's tabs, of which none was closed.
      for (const client of [...clients.values()].flat()) if ("socket" in client) client.socket.close();
      for (const socket of ioSockets) socket.close();
      await until(
        async () => (await Promise.all(servers.map((one) => one.held()))).every(({ sockets }) => sockets === 0),
        5000,
      );
    });

    test("a soak of churn leaves no socket, no timer, no listener and no subscription", async (t) => {
      const owners = Array.from({ length: 40 }, (_, i) => `churn-${i}`);
      /** One round: connect, talk, and leave in one of several ways. */
      async function round(): Promise<void> {
        await each(owners, async (owner, i) => {
          const cookie = await signedIn(sessions, owner);
          const { port } = servers[i % 2]!;
          const client = await openSocket(`ws://127.0.0.1:${port}/ws`, cookie);
          client.socket.send("add");
          if (i % 4 === 0) await sessions.revokeAll(owner);
          else if (i % 4 === 1) client.socket.close();
          else if (i % 4 === 2) client.socket.terminate();
          else client.socket.close();
          await until(() => client.closed);
          const socket = io(`http://127.0.0.1:${port}`, {
            path: "/io",
            extraHeaders: { cookie },
            forceNew: true,
            reconnection: false,
            ...(i % 3 === 0 && { transports: ["websocket"] }),
          });
          await once(socket as never, "connect");
          socket.close();
        });
      }
      async function rest(): Promise<Held[]> {
        await until(
          async () =>
            (await Promise.all(servers.map((one) => one.held()))).every(({ connections }) => connections === 0),
          30_000,
        );
        await sleep(3000); // timers of connections that are cut off, and the pass after the last of them
        return Promise.all(servers.map((one) => one.held()));
      }
      await round();
      const before = await rest();
      for (let i = 0; i < 8; i++) await round();
      const after = await rest();
      for (const [i, { heap, ...held }] of after.entries()) {
        const { heap: heapBefore, ...heldBefore } = before[i]!;
        assert.deepEqual(held, heldBefore);
        assert.ok(heap - heapBefore < 4e6, `the heap grew by ${heap - heapBefore} bytes`);
      }
      t.diagnostic(JSON.stringify(after));
      if (announces) {
        const channels = (await server.cli("pubsub", "channels")).trim();
        assert.equal(channels, "", "a subscription is left");
      }
    });
  });
}
