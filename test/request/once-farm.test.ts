// Tests of session.once from three processes, one of which is killed now and then, with an OAuth provider that punishes reuse.

import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { environments } from "../../demo/stores.ts";
import { createSessions } from "../../src/index.ts";
import { MOMENTS, startProvider } from "../fixtures/once/provider.ts";
import type { OnceData } from "../fixtures/once/server.ts";
import { SECRET } from "../support/stores.ts";

const PROCESSES = 3;
const REQUESTS = 50;
// In `npm test` each moment of a kill comes once. COATCHECK_ONCE_ROUNDS=1000 takes ten minutes.
const ROUNDS = Number(process.env.COATCHECK_ONCE_ROUNDS ?? 12);
const KILL_EVERY = ROUNDS > 100 ? 10 : 4;

type Provider = Awaited<ReturnType<typeof startProvider>>;

for (const [name, environment] of Object.entries(environments)) {
  if (name === "memory") continue;
  test(`on ${name}, a token is refreshed once for ${REQUESTS} parallel requests on ${PROCESSES} servers`, async () => {
    const provider = await startProvider();
    const { address, stop } = await environment.prepare();
    const farm = await startFarm(name, address, provider);
    try {
      for (let round = 1; round <= 3; round++) {
        const access = await farm.round(round);
        assert.equal(access.length, REQUESTS);
        assert.equal(new Set(access).size, 1, "all requests have the same token");
      }
      assert.deepEqual(provider.uses(), [1, 1, 1]);
      assert.deepEqual(Object.values(await farm.contents()).slice(1), Array(REQUESTS).fill(3));
    } finally {
      await farm.stop();
      provider.close();
      await stop?.();
    }
  });
}

describe(`${ROUNDS} rounds, with a server that is killed while it refreshes in every ${KILL_EVERY}th`, () => {
  let address: string;
  let stop: (() => Promise<unknown>) | undefined;

  before(async () => {
    ({ address, stop } = await environments.redis!.prepare());
  });
  after(() => stop?.());

  test("no user is logged out by a provider with a grace of some seconds", async (t) => {
    const provider = await startProvider(60_000);
    const farm = await startFarm("redis", address, provider);
    let kills = 0;
    try {
      for (let round = 1; round <= ROUNDS; round++) {
        if (round % KILL_EVERY === 0) {
          const moment = MOMENTS[kills++ % MOMENTS.length]!;
          provider.killNext(moment, (pid) => farm.kill(pid));
        }
        const access = await farm.round(round);
        assert.ok(access.length > 0, "some requests went to servers that live");
        assert.equal(new Set(access).size, 1, "all requests have the same token");
        assert.equal(provider.isWaiting, false, "the server was killed");
        await farm.mend();
      }
      const again = provider.uses().filter((count) => count > 1).length;
      assert.deepEqual([...provider.revoked], []);
      assert.equal(provider.uses().length, ROUNDS);
      assert.ok(Math.max(...provider.uses()) <= 2);
      // Killed before its token was used: once. Before the answer: twice. After it, the store may have the value.
      const least = Math.floor((kills + 1) / MOMENTS.length);
      assert.ok(again >= least && again <= 2 * least + 1, `${again} tokens of ${ROUNDS} were used twice`);
      t.diagnostic(`${ROUNDS} rounds, ${kills} kills: ${again} tokens used twice, none more often, none revoked`);
    } finally {
      await farm.stop();
      provider.close();
    }
  });

  test("a server that is killed before its token is used costs nothing, at the strictest provider", async () => {
    const provider = await startProvider(0);
    const farm = await startFarm("redis", address, provider);
    try {
      provider.killNext("before use", (pid) => farm.kill(pid));
      for (let round = 1; round <= 3; round++) assert.equal(new Set(await farm.round(round)).size, 1);
      assert.equal(provider.isWaiting, false, "a server was killed");
      assert.deepEqual(provider.uses(), [1, 1, 1]);
    } finally {
      await farm.stop();
      provider.close();
    }
  });
});

/** Servers over one store, and a browser whose session has tokens of the provider. */
async function startFarm(environment: string, address: string, provider: Provider) {
  const options = { ...environments[environment]!.open(address), secret: SECRET, storeTimeout: "30s" } as const;
  const sessions = createSessions<OnceData>(options);
  const session = await sessions.open(undefined);
  session.data.tokens = { ...provider.login(), round: 0 };
  const cookie = (await session.commit())[0]!.split(";")[0]!;
  const start = async () => {
    const child = fork(new URL("../fixtures/once/server.ts", import.meta.url).pathname, [
      environment,
      address,
      SECRET,
      provider.url,
    ]);
    const [port] = (await once(child, "message")) as [number];
    return { child, port };
  };
  const servers = await Promise.all(Array.from({ length: PROCESSES }, start));

  return {
    /** The access tokens that parallel requests get. Those of a server that is killed get none. */
    async round(round: number): Promise<string[]> {
      const answers = Array.from({ length: REQUESTS }, async (_, i) => {
        const { child, port } = servers[i % PROCESSES]!;
        try {
          const answer = await fetch(`http://127.0.0.1:${port}/?round=${round}&request=${i}`, { headers: { cookie } });
          const text = await answer.text();
          assert.equal(answer.status, 200, text);
          return [text];
        } catch (error) {
          if (isDead(child)) return [];
          throw error;
        }
      });
      return (await Promise.all(answers)).flat();
    },

    kill(pid: number): void {
      const { child } = servers.find(({ child }) => child.pid === pid)!;
      child.kill("SIGKILL");
    },

    /** Starts servers in place of those that were killed. */
    async mend(): Promise<void> {
      for (const [i, { child }] of servers.entries()) if (isDead(child)) servers[i] = await start();
    },

    contents: async () => ({ ...(await sessions.open(cookie, { mode: "readonly" })).data }),

    async stop(): Promise<void> {
      for (const { child } of servers) if (!isDead(child)) child.disconnect();
      await sessions.close();
    },
  };
}

function isDead(child: ChildProcess): boolean {
  return child.killed || child.exitCode !== null || child.signalCode !== null;
}
