// Tests of exclusive mode from several processes, on every store.

import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { environments } from "../../demo/stores.ts";
import { createSessions, type Sessions } from "../../src/index.ts";
import type { Order } from "../fixtures/farm/incrementer.ts";
import { SECRET } from "../support/stores.ts";

const PROCESSES = 4;

for (const [name, environment] of Object.entries(environments)) {
  if (name === "memory") continue;
  describe(`${name}, from ${PROCESSES} processes`, () => {
    let sessions: Sessions<{ n: number }>;
    let servers: ChildProcess[];
    let stop: (() => Promise<unknown>) | undefined;

    before(async () => {
      const prepared = await environment.prepare();
      const { address } = prepared;
      stop = prepared.stop;
      sessions = createSessions<{ n: number }>({ ...environment.open(address), secret: SECRET, storeTimeout: "30s" });
      await begin(); // creates the tables, so that the processes do not compete for that
      servers = await Promise.all(Array.from({ length: PROCESSES }, () => start(name, address)));
    });

    after(async () => {
      for (const server of servers) server.disconnect();
      await sessions.close();
      await stop?.();
    });

    async function begin(): Promise<string> {
      const session = await sessions.open(undefined);
      session.set("n", 0);
      const [cookie] = await session.commit();
      return cookie!.split(";")[0]!;
    }

    const n = async (cookie: string) => (await sessions.open(cookie, { mode: "readonly" })).get("n");

    test("100 parallel n++ in exclusive mode give 100", async () => {
      const cookie = await begin();
      const errors = await Promise.all(servers.map((one) => order(one, { cookie, mode: "exclusive", count: 25 })));
      assert.deepEqual(errors.flat(), []);
      assert.equal(await n(cookie), 100);
    });

    test("100 parallel n++ in exclusive mode from one of them give 100", async () => {
      const cookie = await begin();
      assert.deepEqual(await order(servers[0]!, { cookie, mode: "exclusive", count: 100 }), []);
      assert.equal(await n(cookie), 100);
    });

    test("exclusive and merging requests lose no write of each other", async () => {
      const cookie = await begin();
      const errors = await Promise.all(
        servers.map((one, i) => order(one, { cookie, mode: i % 2 === 0 ? "exclusive" : "merge", count: 15 })),
      );
      assert.deepEqual(errors.flat(), []);
      assert.equal(await n(cookie), 60);
    });

    test("200 parallel writers of one session all succeed", async () => {
      const cookie = await begin();
      const errors = await Promise.all(servers.map((one) => order(one, { cookie, mode: "merge", count: 50 })));
      assert.deepEqual(errors.flat(), []);
      assert.equal(await n(cookie), 200);
    });
  });
}

describe("a server that is killed while it holds a session", () => {
  test("loses it to another server, which takes it over once", async () => {
    const environment = environments.file!;
    const { address } = await environment.prepare();
    const options = { ...environment.open(address), secret: SECRET };
    const sessions = createSessions<{ n: number }>({ ...options, exclusive: { maxWait: "60s" } });
    const session = await sessions.open(undefined);
    session.set("n", 0);
    const cookie = (await session.commit())[0]!.split(";")[0]!;

    const server = await start("file", address);
    // It is killed long before it has finished these.
    server.send({ cookie, mode: "exclusive", count: 1_000 } satisfies Order);
    while ((await sessions.open(cookie, { mode: "readonly" })).data.n < 10) await sleep(5);
    const takeovers: unknown[] = [];
    sessions.on("takeover", (event) => takeovers.push(event));
    server.kill("SIGKILL");
    await once(server, "exit");

    const next = await sessions.open(cookie, { mode: "exclusive" });
    const before = next.data.n++;
    await next.commit();
    assert.equal((await sessions.open(cookie, { mode: "readonly" })).data.n, before + 1);
    assert.equal(takeovers.length, 1);
    await sessions.close();
  });
});

async function start(environment: string, address: string): Promise<ChildProcess> {
  const server = fork(new URL("../fixtures/farm/incrementer.ts", import.meta.url).pathname, [
    environment,
    address,
    SECRET,
  ]);
  await once(server, "message");
  return server;
}

/** Sends an order. Resolves with the errors of the server's requests. */
async function order(server: ChildProcess, what: Order): Promise<string[]> {
  const answer = once(server, "message");
  server.send(what);
  return (await answer)[0] as string[];
}
