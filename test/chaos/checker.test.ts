import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { describe, test } from "node:test";
import type { SessionStore } from "../../src/index.ts";
import { Browser } from "./browser.ts";
import { check, type Verdict } from "./checker/check.ts";
import type { Wrong } from "./checker/violation.ts";
import { crowd, type Discipline } from "./crowd.ts";
import { type Plant, planted } from "./planted.ts";
import { randomFrom } from "./random.ts";
import { chaosServer } from "./server.ts";

/** Enough for each fault to show. */
const OPERATIONS = 1_000;

describe("a farm over a store that breaks its contract is caught", () => {
  const caught: [Plant, Discipline, Wrong][] = [
    ["no comparison", "merge", "lost update"],
    ["stale cache", "merge", "stale read"],
    ["forgotten write", "merge", "lost update"],
    ["repeated write", "merge", "lost update"],
    ["no comparison", "exclusive", "lock overlap"],
    ["revival by update", "merge", "revived session"],
    ["revival after delete", "merge", "revived session"],
    ["false absence", "merge", "lost session"],
  ];
  for (const [plant, discipline, wrong] of caught) {
    test(`${plant}, ${discipline}: ${wrong}`, async () => {
      const { violations } = await run(planted(plant), discipline);
      assert.ok(
        violations.some((violation) => violation.wrong === wrong),
        summary(violations),
      );
    });
  }

  for (const discipline of ["merge", "exclusive"] as const) {
    test(`and one that keeps it is not: ${discipline}`, async () => {
      const { violations } = await run(planted(undefined), discipline);
      assert.equal(summary(violations), "");
    });
  }
});

/** Browsers and two servers in this process, over one store. */
async function run(store: SessionStore, discipline: Discipline): Promise<Verdict> {
  const servers = [chaosServer(store), chaosServer(store)];
  const ports: number[] = [];
  for (const { server } of servers) {
    await once(server.listen(0, "127.0.0.1"), "listening");
    ports.push((server.address() as AddressInfo).port);
  }
  const options = { seed: 1, discipline, ports, crowd: 0, browsers: 8 };
  const operations = await crowd(options, (operations) => operations < OPERATIONS);
  const witness = new Browser("witness", ports, randomFrom(0), () => {});
  operations.push(await witness.ask({ kind: "census", mode: "none", think: 0, save: false }));
  for (const server of servers) await server.close();
  return check({ operations });
}

function summary(violations: Verdict["violations"]): string {
  return violations.map(({ wrong, message }) => `${wrong}: ${message}`).join("\n");
}
