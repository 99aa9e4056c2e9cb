// Tests of limits, stamps and renewed tickets on real databases, with several processes.

import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { environments } from "../../demo/stores.ts";
import { createSessions, type Sessions } from "../../src/index.ts";
import { Browser } from "../support/browser.ts";
import { all, type Data } from "../support/set-up.ts";
import { SECRET } from "../support/stores.ts";
import type { LoginReply, LoginRequest, LoginSettings } from "./login-process.ts";

const PROCESSES = 3;
/** With STORES=all, every store of the demo that processes can share. */
const USUAL = ["redis", "postgres"];

interface Server {
  ask(request: LoginRequest): Promise<string[]>;
  stop(): void;
}

async function startServer(settings: LoginSettings): Promise<Server> {
  const child = fork(new URL("./login-process.ts", import.meta.url), [JSON.stringify(settings)]);
  await once(child, "message");
  return {
    async ask(request) {
      child.send(request);
      const [{ cookies, error }] = (await once(child, "message")) as [LoginReply];
      if (error !== undefined) throw new Error(`A server of the farm: ${error}`);
      return cookies;
    },
    stop: () => child.kill("SIGKILL"),
  };
}

for (const [name, environment] of Object.entries(environments)) {
  if (name === "memory" || (process.env.STORES !== "all" && !USUAL.includes(name))) continue;
  describe(`${name}, ${PROCESSES} processes`, () => {
    let stop: (() => Promise<unknown>) | undefined;
    let address: string;
    let sessions: Sessions<Data>;
    let farm: Server[] = [];

    async function living(cookies: readonly string[]): Promise<number> {
      const opened = await Promise.all(cookies.map((cookie) => sessions.open(cookie, { mode: "readonly" })));
      return opened.filter(({ isNew }) => !isNew).length;
    }

    before(async () => {
      const prepared = await environment.prepare();
      ({ address, stop } = { stop: undefined, ...prepared });
      sessions = createSessions<Data>({
        ...environment.open(address),
        secret: SECRET,
        sweepInterval: false,
        storeTimeout: "30s",
      });
      const first = await sessions.open(undefined);
      first.set("n", 1);
      await first.commit(); // creates the tables, so that the servers do not compete for that
      farm = await Promise.all(Array.from({ length: PROCESSES }, () => startServer({ store: name, address })));
    });

    after(async () => {
      for (const server of farm) server.stop();
      await sessions?.close();
      await stop?.();
    });

    test("a limit of three holds under 51 logins at the same moment", async () => {
      for (const when of ["evict-oldest", "deny"] as const) {
        const request = { owner: when, logins: 17, maxPerOwner: { limit: 3, when } };
        const cookies = (await Promise.all(farm.map((server) => server.ask(request)))).flat();
        assert.equal((await all(sessions.list({ owner: when }))).length, 3, when);
        assert.equal(await living(cookies), 3, when);
        if (when === "deny") assert.equal(cookies.length, 3);
      }
    });

    test("parallel requests on three connections get one renewed ticket, and lose no change", async (t) => {
      const options = { secret: SECRET, sweepInterval: false, storeTimeout: "30s", renewAfter: 1 } as const;
      const connections = [1, 2, 3].map(() => createSessions<Data>({ ...environment.open(address), ...options }));
      t.after(() => Promise.all(connections.map((one) => one.close())));
      const browser = new Browser<Data>(...connections);
      await browser.request((session) => session.set("n", 1));
      // The ticket is old by each connection's view of the store's clock, which a slow first answer moves.
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      const requests = await Promise.all(Array.from({ length: 12 }, () => browser.open()));
      for (const [i, session] of requests.entries()) session.set(`key${i}`, i);
      const cookies = (await Promise.all(requests.map((session) => session.commit()))).flat();
      assert.equal(cookies.length, 12);
      assert.equal(new Set(cookies).size, 1);
      browser.keep(cookies);
      assert.equal(Object.keys(await browser.contents()).length, 13);
    });

    test("a new stamp ends all sessions with their next request, and the logins under way", async () => {
      const owner = { id: "ann", stamp: "1" };
      const cookies = (await Promise.all(farm.map((server) => server.ask({ owner, logins: 4 })))).flat();
      assert.equal(await living(cookies), 12);
      const late = farm.slice(1).map((server) => server.ask({ owner, logins: 4 }));
      await farm[0]!.ask({ owner: { id: "ann", stamp: "2" }, logins: 0 });
      assert.equal(await living(cookies), 0);
      assert.equal(await living((await Promise.all(late)).flat()), 0);
      assert.equal(await living(await farm[0]!.ask({ owner: { id: "ann", stamp: "2" }, logins: 1 })), 1);
    });
  });
}
