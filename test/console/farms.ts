// The console of a farm of processes: it finds all servers and loses none, also after a kill -9.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { environments } from "../../demo/stores.ts";
import type { ConsoleState } from "../../src/console/protocol.ts";
import { type RedisServer, startRedis } from "../servers/redis.ts";
import { OTHER_SECRET, SECRET } from "../support/stores.ts";
import { FarmServer, reportOf, startFarm, statuses } from "./farm.ts";
import { Viewer } from "./viewer.ts";

// With STORES=all, on several stores. Each takes half a minute, until a server counts as lost.
const SHARED = process.env.STORES === "all" ? ["redis", "file", "postgres"] : ["redis"];

for (const store of SHARED) {
  describe(`a farm on ${store}`, () => {
    let address: string;
    let stop: (() => Promise<unknown>) | undefined;
    before(async () => {
      const prepared = await environments[store]!.prepare();
      ({ address, stop } = { stop: undefined, ...prepared });
      // Makes the table, so that the servers do not compete for that.
      const [first] = await startFarm(1, { store, address, secret: SECRET, application: "first" });
      await first!.do("write");
      await first!.kill();
    });
    after(() => stop?.());

    test("no server is lost of eight that begin at the same moment, nor by one that is killed or stops", async (t) => {
      const farm = await startFarm(8, { store, address, secret: SECRET, application: "eight" });
      t.after(() => Promise.all(farm.map((server) => server.kill())));
      const [one, two, three] = farm as [FarmServer, FarmServer, FarmServer];
      const [viewer, other] = [await Viewer.open(one.ask), await Viewer.open(farm[7]!.ask)];
      const wanted = farm.map(({ name }) => `${name} up`);
      await viewer.untilEqual("all servers", statuses, wanted);
      await other.untilEqual("all servers", statuses, wanted);
      other.leave();
      for (let i = 0; i < 3; i++) await two.do("write");
      await viewer.untilEqual("its count", (state) => reportOf(state, "web-2")?.totals.started, 3);
      await two.kill();
      await three.do("close");
      const later = wanted.map((text) => text.replace("2 up", "2 lost").replace("3 up", "3 stopped"));
      await viewer.untilEqual("the statuses", statuses, later);
      await one.do("write");
      const started = (state: ConsoleState) => ["web-1", "web-2", "web-3"].map((name) => reportOf(state, name)?.totals.started); // biome-ignore format: one line
      await viewer.untilEqual("the counts", started, [1, 3, 0]);
      viewer.leave();
    });
  });
}

describe("servers meet if they belong together", () => {
  let server: RedisServer;
  const settings = () => ({ store: "redis", address: server.url });
  before(async () => {
    server = await startRedis();
  });
  after(() => server.stop());

  test("not with another application's or another secret's", async (t) => {
    const all = await Promise.all([
      FarmServer.start({ ...settings(), name: "shop 1", secret: SECRET, application: "shop" }),
      FarmServer.start({ ...settings(), name: "shop 2", secret: SECRET, application: "shop" }),
      FarmServer.start({ ...settings(), name: "blog", secret: SECRET, application: "blog" }),
      FarmServer.start({ ...settings(), name: "stranger", secret: OTHER_SECRET, application: "shop" }),
    ]);
    t.after(() => Promise.all(all.map((one) => one.kill())));
    for (const [i, wanted] of [
      [0, ["shop 1 up", "shop 2 up"]],
      [2, ["blog up"]],
      [3, ["stranger up"]],
    ] as const) {
      // biome-ignore format: one line
      const viewer = await Viewer.open(all[i]!.ask);
      await viewer.untilEqual("the servers", statuses, wanted);
      // They would have come by now.
      const before = viewer.states.length;
      await viewer.until("more states", () => viewer.states.length > before + 3);
      assert.deepEqual(statuses(viewer.states.at(-1)!), wanted);
      viewer.leave();
    }
  });

  test("while secrets are rotated, in each of the three steps", async (t) => {
    const steps: [string[], string[]][] = [
      [[SECRET], [SECRET, OTHER_SECRET]],
      [
        [SECRET, OTHER_SECRET],
        [OTHER_SECRET, SECRET],
      ],
      [[OTHER_SECRET, SECRET], [OTHER_SECRET]],
    ];
    for (const [i, [before, behind]] of steps.entries()) {
      const application = `step ${i}`;
      const pair = await Promise.all([
        FarmServer.start({ ...settings(), name: "before", secret: before, application }),
        FarmServer.start({ ...settings(), name: "behind", secret: behind, application }),
      ]);
      t.after(() => Promise.all(pair.map((one) => one.kill())));
      for (const { ask } of pair) {
        const viewer = await Viewer.open(ask);
        await viewer.untilEqual("both", statuses, ["before up", "behind up"]);
        viewer.leave();
      }
      await Promise.all(pair.map((one) => one.kill()));
    }
  });
});
