// The examples as files. How they run is tested by `npm run test:frameworks`.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { designCopies, exampleNames } from "../scripts/examples.ts";

const examples = new URL("../examples/", import.meta.url).pathname;

test("the copies of the shared design are the same (npm run examples:copy)", () => {
  assert.ok(designCopies().length > 0);
  for (const [copy, original] of designCopies()) {
    assert.equal(readFileSync(copy, "utf8"), readFileSync(original, "utf8"), copy);
  }
});

test("the table of the account page leads to the lines that it names", () => {
  const folder = join(examples, "account");
  const text = readFileSync(join(folder, "README.md"), "utf8");
  const links = [...text.matchAll(/\[`(.+)`\]\(([\w.]+)#L(\d+)\)/g)];
  assert.equal(links.length, text.match(/^\| .*\.ts#/gm)?.length);
  for (const [, code, file, line] of links) {
    const found = readFileSync(join(folder, file!), "utf8").split("\n")[Number(line) - 1] ?? "";
    assert.ok(found.includes(code!), `${file}:${line} has no ${code}, but: ${found}`);
  }
});

for (const name of exampleNames()) {
  describe(`examples/${name}`, () => {
    const folder = join(examples, name);
    const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));

    test("can't be published, and starts by npm start", () => {
      assert.equal(manifest.private, true);
      assert.equal(typeof manifest.scripts.start, "string");
      assert.equal(typeof manifest.scripts.typecheck, "string");
    });

    test("names exact versions, but for the library's", () => {
      const { coatcheck, ...others } = { ...manifest.dependencies, ...manifest.devDependencies };
      assert.equal(coatcheck, "^0.1.0");
      for (const [dependency, version] of Object.entries(others)) {
        assert.match(String(version), /^\d+\.\d+\.\d+/, dependency);
      }
    });

    test("has a README, and no lock file", () => {
      assert.ok(existsSync(join(folder, "README.md")));
      assert.ok(!existsSync(join(folder, "package-lock.json")));
    });
  });
}
