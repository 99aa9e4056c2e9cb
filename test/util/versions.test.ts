// Tests of the comparison of versions.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isOlder } from "../../src/util/versions.ts";

test("a version is older if its first different part is smaller, as a number", () => {
  for (const [version, than] of [
    ["4.9.2", "4.10"],
    ["3.29.5", "4"],
    ["1.16.9", "1.17"],
    ["4", "4.1"],
  ] as const) {
    assert.equal(isOlder(version, than), true, `${version} < ${than}`);
  }
  for (const [version, than] of [
    ["4.10.0", "4.10"],
    ["5.0.0-beta.1", "5"],
    ["10.0.0", "9"],
    ["2", "1.9"],
  ] as const) {
    assert.equal(isOlder(version, than), false, `${version} >= ${than}`);
  }
});
