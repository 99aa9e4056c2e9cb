// Campaigns with long requests, a rotation of the secret and failovers, and with a file store. They need a machine that is
// not busy, so they are a part of `npm run chaos`, and not of `npm test`: node --test test/chaos/long/campaigns.ts

import assert from "node:assert/strict";
import { test } from "node:test";
import { type CampaignOptions, type CampaignResult, campaign } from "../campaign.ts";
import { describeViolations } from "../report.ts";
import { settingsOf } from "../workloads.ts";

const seed = Date.now() & 0xffff;

/** Resolves if no anomaly is found. */
async function run(options: Omit<CampaignOptions, "seed" | "browsers">): Promise<CampaignResult> {
  const result = await campaign({ ...options, seed, browsers: 12 });
  assert.equal(result.violations.length, 0, describeViolations(result));
  // Requests were answered, and faults were injected.
  assert.ok(result.history.operations.filter(({ outcome }) => outcome === "done").length > 20);
  assert.ok(result.faults.size > 0);
  return result;
}

test(`file: loses nothing under faults, with a wrong clock on one server, seed ${seed}`, async () => {
  const { output } = await run({ store: "file", workload: "merge", seconds: 4 });
  assert.match(output, /clock of this server is wrong by -?3[56]\d{5} ms/);
});

for (const store of ["file", "redis"]) {
  test(`${store}: requests that take longer than the idle timeout lose nothing, seed ${seed}`, async () => {
    const { history } = await run({ store, workload: "long-requests", seconds: 5 });
    const { idleTimeout } = settingsOf("long-requests");
    assert.ok(history.operations.some(({ call, end, outcome }) => outcome === "done" && end - call > idleTimeout!));
  });
}

test(`redis: a rotation of the secret loses nothing, seed ${seed}`, async () => {
  const { faults } = await run({ store: "redis", workload: "rotation", seconds: 1 });
  assert.deepEqual(["[old, new]", "[new, old]", "[new]"].map((step) => faults.get(step)), [3, 3, 3]); // biome-ignore format: one line
});

test(`redis-failover: a failover whose former primary stays reachable loses nothing, seed ${seed}`, async () => {
  const { faults } = await run({ store: "redis-failover", workload: "merge", seconds: 5 });
  assert.ok(faults.has("failover"));
});
