// Cases of faulty servers that the checker must find. They take minutes on a busy machine, so they are a part of
// `npm run chaos`, and not of `npm test`: node --test test/chaos/long/faulty-servers.ts

import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { shiftedStore } from "../../support/shifted-store.ts";
import { byServersClock, sharedMemory, splitStore, withoutRenewal } from "../faulty-store.ts";
import { found, foundNothing, onBoth, run, type Servers } from "../run-in-process.ts";
import { SECRETS } from "../session-data.ts";

const HOUR = 3_600_000;
const [OLD, NEW] = SECRETS;

describe("a server whose clock is wrong", () => {
  for (const [name, ahead] of [
    ["behind", -HOUR],
    ["ahead", HOUR],
  ] as const) {
    test(`ends sessions if it is an hour ${name} and sessions go by the clocks of servers`, async () => {
      const store = sharedMemory();
      found(await run({ stores: [store, byServersClock(store, ahead)] }), "lost session");
    });

    test(`ends none if the store's clock is an hour ${name} and sessions go by that`, async () => {
      foundNothing(await run({ stores: onBoth(shiftedStore(ahead, sharedMemory())) }));
    });
  }
});

describe("requests that take longer than the idle timeout", () => {
  test("lose their sessions if these are not renewed", async () => {
    found(await run({ stores: onBoth(withoutRenewal(sharedMemory())), workload: "long-requests" }), "lost session");
  });

  test("keep their sessions if these are renewed", async () => {
    foundNothing(await run({ stores: onBoth(sharedMemory()), workload: "long-requests" }));
  });
});

describe("a rotation of the secret, on one server after the other", () => {
  const rotate =
    (...steps: (readonly string[])[]) =>
    async (servers: Servers) => {
      for (const secret of steps) {
        for (const server of [0, 1]) {
          await servers.restart(server, secret);
          await sleep(200);
        }
      }
    };

  test("loses sessions if the new secret seals on one server before another one has it", async () => {
    found(await run({ stores: onBoth(sharedMemory()), event: rotate([NEW, OLD]) }), "lost session");
  });

  test("loses sessions if it is done in one step", async () => {
    found(await run({ stores: onBoth(sharedMemory()), event: rotate([NEW]) }), "lost session");
  });

  test("loses nothing if every server has the new secret before one seals with it", async () => {
    foundNothing(await run({ stores: onBoth(sharedMemory()), event: rotate([OLD, NEW], [NEW, OLD]) }));
  });
});

describe("a failover whose former primary stays reachable", () => {
  test("loses updates if the former primary takes writes", async () => {
    const { stores, failOver } = splitStore({ refusesWrites: false });
    found(await run({ stores, event: failOver }), "lost update");
  });

  test("loses sessions if the former primary answers reads", async () => {
    const { stores, failOver } = splitStore({ refusesWrites: true });
    found(await run({ stores, event: failOver }), "lost session");
  });

  test("loses nothing if both servers use the standby", async () => {
    const { stores, failOver } = splitStore({ refusesWrites: true });
    foundNothing(await run({ stores: onBoth(stores[0]!), event: failOver }));
  });
});
