import assert from "node:assert/strict";
import { test } from "node:test";
import { campaign } from "./campaign.ts";
import type { Discipline } from "./crowd.ts";
import { describeViolations } from "./report.ts";

// The short version of `npm run chaos`.
const short: [store: string, discipline: Discipline, seconds: number][] = [
  ["file", "merge", 4],
  ["redis", "merge", 6],
  ["redis", "exclusive", 5],
];

for (const [store, discipline, seconds] of short) {
  const seed = Date.now() & 0xffff;
  test(`${store}, ${discipline}: nothing is lost, seed ${seed}`, async () => {
    const result = await campaign({ store, discipline, seed, seconds, browsers: 12 });
    assert.equal(result.violations.length, 0, describeViolations(result));
    // That something was asked, and that something went wrong.
    assert.ok(result.history.operations.filter(({ outcome }) => outcome === "done").length > 20);
    assert.ok(result.faults.size > 0);
  });
}
