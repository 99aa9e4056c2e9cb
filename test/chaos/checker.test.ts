// Tests that the checker finds the violations of faulty stores.

import { describe, test } from "node:test";
import type { Anomaly } from "./checker/violation.ts";
import { faultyStore, type StoreFault } from "./faulty-store.ts";
import { found, foundNothing, onBoth, run } from "./run-in-process.ts";
import type { Workload } from "./workloads.ts";

describe("the checker finds the anomaly that a faulty store causes", () => {
  const faults: [StoreFault, Workload, Anomaly][] = [
    ["no comparison", "merge", "lost update"],
    ["stale cache", "merge", "stale read"],
    ["forgotten write", "merge", "lost update"],
    ["repeated write", "merge", "lost update"],
    ["no comparison", "exclusive", "lock overlap"],
    ["revival by update", "merge", "revived session"],
    ["revival after delete", "merge", "revived session"],
    ["false absence", "merge", "lost session"],
  ];
  for (const [fault, workload, anomaly] of faults) {
    test(`${fault}, ${workload}: ${anomaly}`, async () => {
      found(await run({ stores: onBoth(faultyStore(fault)), workload }), anomaly);
    });
  }

  for (const workload of ["merge", "exclusive"] as const) {
    test(`no fault, ${workload}: no anomaly`, async () => {
      foundNothing(await run({ stores: onBoth(faultyStore(undefined)), workload }));
    });
  }
});
