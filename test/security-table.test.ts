// Tests that the table of standards on the security page names tests that exist, and leaves out no requirement.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const PAGE = new URL("../docs/security.md", import.meta.url);

/** The requirements of OWASP ASVS 5.0, chapter V7, by section. */
const ASVS = { 1: 3, 2: 4, 3: 2, 4: 5, 5: 3, 6: 2 };

interface Row {
  requirement: string;
  shownBy: string;
}

function rows(): Row[] {
  const text = readFileSync(PAGE, "utf8");
  const section = text.slice(text.indexOf("## By the standards"), text.indexOf("## The cipher"));
  return section
    .split("\n")
    .filter((line) => /^\| (ASVS|NIST) /.test(line))
    .map((line) => line.split(" | "))
    .map(([first, , ...rest]) => ({ requirement: first!.slice(2), shownBy: rest.join(" | ").replace(/ \|$/, "") }));
}

test("each requirement of ASVS V7 and each part of NIST's section 5 has its row", () => {
  const found = rows().map(({ requirement }) => requirement);
  const asvs = Object.entries(ASVS).flatMap(([section, count]) =>
    Array.from({ length: count }, (_, i) => `ASVS 7.${section}.${i + 1}`),
  );
  assert.deepEqual(found.filter((name) => name.startsWith("ASVS")), asvs); // biome-ignore format: one line
  for (const part of ["5.1", "5.1.1", "5.2", "5.3"]) {
    assert.ok(
      found.some((name) => name === `NIST ${part}` || name.startsWith(`NIST ${part} (`)),
      part,
    );
  }
});

test("each row names a test that exists, or what the application writes", () => {
  for (const { requirement, shownBy } of rows()) {
    const tests = [...shownBy.matchAll(/`(test\/[^`]+)`: "([^"]+)"/g)];
    assert.ok(tests.length > 0 || /^the application: \S/.test(shownBy), requirement);
    for (const [, path, name] of tests) {
      const source = readFileSync(new URL(`../${path}`, import.meta.url), "utf8");
      assert.ok(source.includes(`test("${name}"`), `${requirement}: ${path} has no test "${name}"`);
    }
  }
});
