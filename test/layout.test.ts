import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";

const src = join(dirname(dirname(fileURLToPath(import.meta.url))), "src");
const files = globSync("**/*.ts", { cwd: src });

/** What each part of `src/` may import besides itself: files, and folders. The core is all that is in no folder. */
const ALLOWED: Record<string, string[]> = {
  core: ["stores/memory.ts"],
  "stores/": ["store.ts", "claims.ts", "errors.ts", "duration.ts", "linked-queue.ts"],
  "compose/": ["store.ts", "errors.ts", "duration.ts", "past-copies.ts", "stores/"],
  "adapters/": ["index.ts"],
  "config/": ["index.ts", "store.ts", "errors.ts", "compose/", "stores/"],
  "conformance/": ["store.ts"],
};

describe("arrows point downwards only", () => {
  for (const [part, allowed] of Object.entries(ALLOWED)) {
    test(`${part} imports what it may`, () => {
      const own = files.filter((file) => partOf(file) === part);
      const astray = own.flatMap((file) =>
        importsOf(file)
          .filter((to) => partOf(to) !== part && !allowed.some((one) => to.startsWith(one)))
          .map((to) => `${file} → ${to}`),
      );
      assert.notEqual(own.length, 0);
      assert.deepEqual(astray, []);
    });
  }

  test("every part has its rule", () => {
    assert.deepEqual([...new Set(files.map(partOf))].sort(), Object.keys(ALLOWED).sort());
  });

  test("nothing imports itself by way of others, but for types", () => {
    assert.deepEqual(cycles(), []);
  });
});

function partOf(file: string): string {
  return file.includes("/") ? `${file.split("/")[0]}/` : "core";
}

/** The files that a file imports. Without types, those that it loads when it runs. */
function importsOf(file: string, { types = true } = {}): string[] {
  const text = readFileSync(join(src, file), "utf8");
  const found = text.matchAll(/^(?:import|export) (type )?[^;]*?\bfrom "(\.[^"]+\.ts)"|\bimport\("(\.[^"]+\.ts)"\)/gm);
  return [...found]
    .filter(([, type]) => types || type === undefined)
    .map(([, , fixed, late]) => normalize(join(dirname(file), (fixed ?? late)!)));
}

/** Each way back to where it began, as far as a walk through all files meets one. */
function cycles(): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const walk = (file: string, way: string[]) => {
    if (way.includes(file)) found.push([...way.slice(way.indexOf(file)), file].join(" → "));
    if (done.has(file)) return;
    done.add(file);
    for (const to of importsOf(file, { types: false })) walk(to, [...way, file]);
  };
  for (const file of files) walk(file, []);
  return found;
}
