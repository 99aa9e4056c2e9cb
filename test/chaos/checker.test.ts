import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { describe, test } from "node:test";
import type { SessionStore } from "../../src/index.ts";
import { Browser } from "./browser.ts";
import { check, type Verdict } from "./checker/check.ts";
import type { Wrong } from "./checker/violation.ts";
import { crowd, type Discipline } from "./crowd.ts";
import { type History, now } from "./history.ts";
import { type Plant, planted } from "./planted.ts";
import { randomFrom } from "./random.ts";
import { chaosServer } from "./server.ts";

describe("a farm over a store that breaks its contract is caught", () => {
  const caught: [Plant, Discipline, Wrong][] = [
    ["no comparison", "merge", "lost update"],
    ["stale cache", "merge", "stale read"],
    ["forgotten write", "merge", "lost update"],
    ["repeated write", "merge", "lost update"],
    ["revival by update", "merge", "revived session"],
    ["revival after delete", "merge", "revived session"],
    ["false absence", "merge", "lost session"],
  ];
  for (const [plant, discipline, wrong] of caught) {
    test(`${plant}: ${wrong}`, async () => {
      const { violations } = await run(planted(plant), discipline);
      assert.ok(
        violations.some((violation) => violation.wrong === wrong),
        summary(violations),
      );
    });
  }

  test("and one that keeps it is not", async () => {
    const { violations, history } = await run(planted(undefined), "merge");
    assert.ok(history.operations.length > 200);
    assert.equal(summary(violations), "");
  });
});

/** Browsers and two servers in this process, over one store. */
async function run(store: SessionStore, discipline: Discipline): Promise<Verdict & { history: History }> {
  const servers = [chaosServer(store), chaosServer(store)];
  const ports: number[] = [];
  for (const { server } of servers) {
    await once(server.listen(0, "127.0.0.1"), "listening");
    ports.push((server.address() as AddressInfo).port);
  }
  const operations = await crowd({ seed: 1, discipline, ports, crowd: 0, browsers: 8, until: now() + 1_500 });
  const witness = new Browser("witness", ports, randomFrom(0), () => {});
  operations.push(await witness.ask({ kind: "census", mode: "none", think: 0, save: false }));
  for (const server of servers) await server.close();
  return { ...check({ operations }), history: { operations } };
}

function summary(violations: Verdict["violations"]): string {
  return violations.map(({ wrong, message }) => `${wrong}: ${message}`).join("\n");
}
