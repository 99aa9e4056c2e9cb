import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: Record<string, string> };

describe("what people are told", () => {
  for (const name of ["*.md", "bench/**/*.md", "docs/**/*.md"].flatMap((pattern) => globSync(pattern, { cwd: root }))) {
    const text = readFileSync(join(root, name), "utf8");

    test(`${name}: each command is there`, () => {
      const commands = [...text.matchAll(/\bnpm run ([\w:-]+)/g)].map(([, script]) => script!);
      assert.deepEqual(
        [...new Set(commands)].filter((script) => !(script in scripts)),
        [],
      );
      const files = [...text.matchAll(/^node ([\w./-]+\.ts)/gm)].map(([, file]) => file!);
      assert.deepEqual(
        files.filter((file) => file.includes("/") && !existsSync(join(root, file))),
        [],
      );
    });

    test(`${name}: each link to a file leads to one`, () => {
      const targets = [...text.matchAll(/\]\(([^)\s#]+)(?:#[^)\s]*)?\)/g)].map(([, target]) => target!);
      const paths = targets.filter((target) => !/^[a-z]+:/.test(target));
      assert.deepEqual(
        paths.filter((path) => !existsSync(join(root, dirname(name), path))),
        [],
      );
    });
  }
});
