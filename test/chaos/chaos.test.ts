// The short version of `npm run chaos`.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type CampaignOptions, type CampaignResult, campaign } from "./campaign.ts";
import { describeViolations } from "./report.ts";

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

for (const [store, workload, seconds] of [
  ["redis", "merge", 6],
  ["redis", "exclusive", 5],
] as const) {
  test(`${store}, ${workload}: loses nothing under faults, with a wrong clock on one server, seed ${seed}`, async () => {
    const { output } = await run({ store, workload, seconds });
    assert.match(output, /clock of this server is wrong by -?3[56]\d{5} ms/);
  });
}
