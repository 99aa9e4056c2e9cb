// Tests that the documents' commands and links are valid.

import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { scripts, repository } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  scripts: Record<string, string>;
  repository: { url: string };
};
const inRepository = `${repository.url.replace(/^git\+|\.git$/g, "")}/blob/HEAD/`;

describe("the documents", () => {
  for (const name of ["*.md", "bench/*.md", "bench/results/*.md", "docs/**/*.md"].flatMap((pattern) =>
    globSync(pattern, { cwd: root }),
  )) {
    const text = readFileSync(join(root, name), "utf8");

    test(`${name}: each command exists`, () => {
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

    test(`${name}: each link to a file has a target`, () => {
      const targets = [...text.matchAll(/\]\(([^)\s#]+)(?:#[^)\s]*)?\)/g)].map(([, target]) => target!);
      const paths = targets
        .filter((target) => target.startsWith(inRepository) || !/^[a-z]+:/.test(target))
        .map((target) =>
          target.startsWith(inRepository)
            ? join(root, target.slice(inRepository.length))
            : join(root, dirname(name), target),
        );
      assert.deepEqual(
        paths.filter((path) => !existsSync(path)),
        [],
      );
    });
  }
});
