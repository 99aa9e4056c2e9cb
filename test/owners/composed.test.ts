// Limits and stamps on stores made of stores.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { failover, migrating, partitioned } from "../../src/compose/index.ts";
import { browsers, living, tryLogin } from "../support/accounts.ts";
import { type MakeFarm, servers as openFarm } from "../support/farms.ts";
import { all } from "../support/set-up.ts";
import { watched } from "../support/stores.ts";

const kinds: Readonly<Record<string, MakeFarm>> = {
  "partitioned()": () => {
    const parts = ["a", "b", "c"].map((name) => ({ name, store: watched() }));
    return () => partitioned(parts);
  },
  "migrating(), with servers in both rounds of the change": () => {
    const [from, to] = [watched(), watched()];
    let opened = 0;
    return () => migrating(opened++ === 0 ? { from, to, phase: "prepare" } : { from, to });
  },
  "failover()": () => {
    const [primary, standby] = [watched(), watched()];
    return () => failover({ primary, standby });
  },
};

for (const [name, farm] of Object.entries(kinds)) {
  describe(`on ${name}`, () => {
    test("a limit of three holds under 30 logins", async (t) => {
      const servers = openFarm(farm, { maxPerOwner: 3 });
      t.after(() => Promise.all(servers.map((server) => server.close())));
      const everybody = browsers(servers, 30);
      await Promise.all(everybody.map((one) => tryLogin(one, "ann")));
      assert.equal((await living(everybody)).length, 3);
      assert.equal((await all(servers[0]!.list({ owner: "ann" }))).length, 3);
      assert.equal(await servers[1]!.count(), 3);
    });

    test("a new stamp ends what there is, and what is under way", async (t) => {
      const servers = openFarm(farm);
      t.after(() => Promise.all(servers.map((server) => server.close())));
      const mine = browsers(servers, 9);
      for (const one of mine.slice(0, 6)) assert.equal(await tryLogin(one, { id: "ann", stamp: "1" }), true);
      const late = mine.slice(6).map((one) => tryLogin(one, { id: "ann", stamp: "1" }));
      await servers[2]!.stamp("ann", "2");
      await Promise.all(late);
      assert.equal((await living(mine)).length, 0);
      assert.equal(await tryLogin(mine[0]!, { id: "ann", stamp: "2" }), true);
    });
  });
}
