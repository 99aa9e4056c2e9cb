// The numbers of the console against a count taken independently, also while a server is killed.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { ConsoleState, ServerReport, ServerTotals } from "../../src/console/protocol.ts";
import { redis } from "../../src/stores/redis/index.ts";
import { waitFor } from "../servers/process.ts";
import { type RedisServer, startRedis } from "../servers/redis.ts";
import { SECRET } from "../support/stores.ts";
import { type Client, type FarmServer, reportOf, startFarm, statuses } from "./farm.ts";
import { Viewer } from "./viewer.ts";

describe("every number agrees with a count taken independently", () => {
  let store: RedisServer;
  let farm: FarmServer[];
  let viewer: Viewer;
  /** Of each server, what its answers said. */
  const tally = new Map<string, Record<string, number>>();
  const counts = (server: FarmServer) => {
    const found = tally.get(server.name) ?? Object.fromEntries(TALLIED.map((name) => [name, 0]));
    tally.set(server.name, found);
    return found;
  };
  /** Sessions that are alive. */
  let alive = 0;

  const TALLIED = ["requests", "started", "conflicts", "gone", "waits", "forged", "unreadable", "destroyed", "expired", "revoked", "replaced"]; // biome-ignore format: one line
  const tallied = ({ ended, ...totals }: ServerTotals) =>
    Object.fromEntries(TALLIED.map((name) => [name, { ...totals, ...ended }[name as "requests"]]));

  before(async () => {
    store = await startRedis();
    farm = await startFarm(3, { store: "redis", address: store.url, secret: SECRET, cached: true });
    for (const server of farm) counts(server);
    viewer = await Viewer.open(farm[0]!.ask);
  });
  after(async () => {
    viewer?.leave();
    await Promise.all(farm.map((server) => server.kill()));
    await store.stop();
  });

  async function begin(server: FarmServer): Promise<Client> {
    const client: Client = {};
    await server.do("write", client);
    counts(server).requests!++;
    counts(server).started!++;
    alive++;
    return client;
  }

  async function request(
    server: FarmServer,
    action: "read" | "write" | "login" | "logout",
    client: Client,
    cookie = client.cookie,
  ) {
    // biome-ignore format: one line
    counts(server).requests!++;
    return server.do(action, client, cookie === undefined ? {} : { cookie });
  }

  async function countInRedis(): Promise<number> {
    const keys = (await store.cli("--scan", "--pattern", "coatcheck:{*")).split("\n");
    return keys.filter((key) => !/-(replaced|owner|console|server)$/.test(key)).length;
  }

  /** Of the servers whose numbers are known. */
  const agree = () =>
    viewer.untilEqual(
      "the counts",
      ({ servers }) =>
        Object.fromEntries(
          servers.filter(({ name }) => tally.has(name)).map(({ name, totals }) => [name, tallied(totals)]),
        ),
      Object.fromEntries(tally),
    );

  test("of sessions by the way that they end, and of the sessions alive", async () => {
    await viewer.untilEqual("all servers", statuses, ["web-1 up", "web-2 up", "web-3 up"]);
    const [one, two, three] = farm as [FarmServer, FarmServer, FarmServer];
    await Promise.all(
      Array.from({ length: 30 }, async (_, i) => {
        const client = await begin(farm[i % 3]!);
        const server = farm[(i + 1) % 3]!;
        await request(three, "write", client);
        if (i % 5 === 0) {
          await request(server, "login", client);
          counts(server).replaced!++;
          counts(server).started!++;
        }
        if (i % 5 === 1) {
          await request(server, "logout", client);
          counts(server).destroyed!++;
          alive--;
        }
        if (i % 5 === 2) {
          const id = await request(one, "read", client);
          assert.equal(await two.do("revoke", {}, { argument: id as string }), true);
          counts(two).revoked!++;
          alive--;
        }
      }),
    );
    await agree();
    await viewer.untilEqual("the sessions alive", (state) => state.alive?.count, alive);
    assert.equal(await countInRedis(), alive);
  });

  test("of conflicts, changes of ended sessions, forged cookies, unreadable records and waits", async () => {
    const [one, two] = farm as [FarmServer, FarmServer];
    for (let i = 0; i < 4; i++) {
      const client = await begin(two);
      const go = await one.hold({ ...client });
      counts(one).requests!++;
      await request(two, "write", client);
      await go();
      counts(one).conflicts!++;
    }
    for (let i = 0; i < 3; i++) {
      const client = await begin(one);
      const go = await one.hold({ ...client });
      counts(one).requests!++;
      await request(two, "logout", client);
      counts(two).destroyed!++;
      alive--;
      await go();
      counts(one).gone!++;
    }
    for (let i = 0; i < 5; i++) {
      await request(two, "read", {}, `sid=${"A".repeat(40)}`);
      counts(two).forged!++;
    }
    const broken = await begin(one);
    const id = (await request(one, "read", broken)) as string;
    const records = redis({ url: store.url });
    const { version, ...found } = (await records.read(id))!;
    await records.update(id, { ...found, value: Buffer.from("no record") }, version);
    await records.close();
    await request(two, "read", { ...broken });
    counts(two).unreadable!++;
    const shared = await begin(one);
    const argument = (await request(one, "read", shared)) as string;
    const go = await one.hold({ ...shared }, { mode: "exclusive" });
    counts(one).requests!++;
    const reads = await two.do("reads", {}, { argument });
    const waiting = two.do("write", { ...shared }, { mode: "exclusive" });
    counts(two).requests!++;
    // It has read that the session is another request's.
    await waitFor("the request that waits", async () => (await two.do("reads", {}, { argument })) !== reads);
    await go();
    await waiting;
    counts(two).waits!++;
    await agree();
    const { totals } = reportOf(viewer.states.at(-1)!, "web-2") as ServerReport;
    assert.ok(totals.waited > 0);
  });

  test("while one of the servers is killed under load: its last report stays, and the others' numbers go on", async () => {
    const [one, two, victim] = farm as [FarmServer, FarmServer, FarmServer];
    let isOver = false;
    const load = [one, two].map(async (server) => {
      while (!isOver) {
        const client = await begin(server);
        await request(server, "logout", client);
        counts(server).destroyed!++;
        alive--;
      }
    });
    // What it does last, nobody can tell.
    let done = 0;
    const last = (async () => {
      for (; victim.isRunning; done++) await victim.do("write").catch(() => {});
    })();
    await waitFor("some load", () => done > 20);
    await victim.kill();
    await last;
    tally.delete("web-3");
    const { servers } = await viewer.until("the loss", (state) => reportOf(state, "web-3")?.status === "lost");
    isOver = true;
    await Promise.all(load);
    await agree();
    await viewer.untilEqual("the statuses", statuses, ["web-1 up", "web-2 up", "web-3 lost"]);
    const report = servers.find(({ name }) => name === "web-3");
    assert.deepEqual(reportOf(viewer.states.at(-1)!, "web-3"), report);
    // Counted again since the end of the load.
    const since = viewer.states.at(-1)!.at;
    const state = await viewer.until("another count", ({ alive }) => (alive?.countedAt ?? 0) > since);
    assert.equal(state.alive!.count, await countInRedis());
  });

  test("of reads that the cache answers, and of all calls to the store", async () => {
    const [one, two] = farm as [FarmServer, FarmServer];
    const cache = (state: ConsoleState) => {
      const { cacheHits, cacheMisses } = reportOf(state, "web-1")!.totals;
      return [cacheHits, cacheMisses];
    };
    const before = cache(viewer.states.at(-1)!) as [number, number];
    const clients = [await begin(two), await begin(two)];
    for (const client of clients) for (let i = 0; i < 5; i++) await request(one, "read", client);
    // The console itself asks for sessions that do not exist: they are no reads of a cache that has them.
    await viewer.untilEqual("the hits", (state) => cache(state)[0]! - before[0], 8);
    await agree();
    const calls = (await two.do("close")) as number;
    await viewer.until("its last report", (state) => reportOf(state, "web-2")?.status === "stopped");
    const { totals } = reportOf(viewer.states.at(-1)!, "web-2")!;
    // The last call is that of the report itself.
    assert.equal(totals.storeCalls, calls - 1);
    assert.equal(totals.latency.reduce((sum, count) => sum + count), calls - 1); // biome-ignore format: one line
    assert.equal(totals.storeErrors, 0);
  });
});
