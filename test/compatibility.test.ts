// docs/compatibility.md says which tests of other packages fail on purpose, and why.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { suites } from "./compatibility/suites.ts";

const page = readFileSync(new URL("../docs/compatibility.md", import.meta.url), "utf8");

for (const { name, deviations } of suites) {
  test(`the page names each test of ${name} that fails on purpose, with its reason`, () => {
    for (const { reason, tests } of deviations) {
      const row = page.split("\n").find((line) => line.startsWith(`| ${reason} |`));
      assert.ok(row, `no row: | ${reason} | ${tests.join("; ")} |`);
      assert.equal(row, `| ${reason} | ${tests.join("; ")} |`);
    }
  });

  test(`the page has the count of those of ${name}`, () => {
    const count = deviations.reduce((sum, { tests }) => sum + tests.length, 0);
    const row = page.split("\n").find((line) => line.startsWith(`| ${name} `));
    const [tests, pass, fail] = (row ?? "")
      .match(/\d+(?= \|)/g)!
      .slice(-3)
      .map(Number);
    assert.equal(fail, count);
    assert.equal(tests, pass! + fail!);
  });
}
