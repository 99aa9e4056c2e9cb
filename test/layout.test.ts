// The layout of src/: one-way imports, no circles, and a map that is true.

import assert from "node:assert/strict";
import { existsSync, globSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { files, firstLineOf, importsOf, map, mapInPage, PARTS, partOf } from "../scripts/layout.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const FACE = ["errors.ts", "events.ts", "index.ts", "options.ts", "session.ts", "sessions.ts", "store.ts"];

describe("imports go down only", () => {
  for (const [place, { name, imports }] of PARTS.entries()) {
    test(`${name} imports what it may`, () => {
      const own = files.filter((file) => partOf(file)?.name === name);
      const astray = own.flatMap((file) =>
        importsOf(file)
          .filter((to) => !own.includes(to) && !imports.some((one) => to.startsWith(one)))
          .map((to) => `${file} → ${to}`),
      );
      assert.notEqual(own.length, 0);
      assert.deepEqual(astray, []);
    });

    test(`${name} may import nothing above it`, () => {
      const above = PARTS.slice(0, place).map((part) => part.name);
      assert.deepEqual(
        imports.filter((one) => above.includes(one)),
        [],
      );
    });
  }

  test("every file belongs to a part", () => {
    assert.deepEqual(
      files.filter((file) => partOf(file) === undefined),
      [],
    );
  });

  test("no file imports itself by way of others, by value or by type", () => {
    assert.deepEqual(circles(importsOf, files), []);
  });

  test("a helper does not import the index of its own folder", () => {
    const astray = files.filter((file) => importsOf(file).includes(join(dirname(file), "index.ts")));
    assert.deepEqual(astray, []);
  });

  test("a circle would be found", () => {
    const imports: Record<string, string[]> = { a: ["b"], b: ["c"], c: ["b"] };
    assert.deepEqual(
      circles((file) => imports[file]!, ["a", "b", "c"]),
      ["b → c → b"],
    );
  });
});

describe("the house is in order", () => {
  test("src/ itself holds the public face and nothing else", () => {
    assert.deepEqual(
      files.filter((file) => !file.includes("/")),
      FACE,
    );
  });

  test("every file says in its first line what it is", () => {
    assert.deepEqual(
      files.filter((file) => firstLineOf(file) === undefined),
      [],
    );
  });

  test("every folder has its sentence", () => {
    assert.deepEqual(
      PARTS.filter(({ name, about }) => name.endsWith("/") && about === undefined),
      [],
    );
  });

  test("the map in CONTRIBUTING.md is what the files say (npm run map writes it)", () => {
    assert.equal(mapInPage(), map());
  });

  test("test/ mirrors the folders of src/", () => {
    const mirrored = globSync("*/*.test.ts", { cwd: join(root, "test") }).map((file) => dirname(file));
    const astray = [...new Set(mirrored)].filter((folder) => !existsSync(join(root, "src", folder)));
    // The benchmark, the demonstration and the chaos suite are no folders of src/.
    assert.deepEqual(astray.filter((folder) => !existsSync(join(root, folder)) && basename(folder) !== "chaos"), []); // biome-ignore format: one line
  });
});

/** Each way back to where it began, as far as a walk through all files meets one. */
function circles(importsOf: (file: string) => string[], files: readonly string[]): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const walk = (file: string, way: string[]) => {
    if (way.includes(file)) found.push([...way.slice(way.indexOf(file)), file].join(" → "));
    if (done.has(file)) return;
    done.add(file);
    for (const to of importsOf(file)) walk(to, [...way, file]);
  };
  for (const file of files) walk(file, []);
  return found;
}
