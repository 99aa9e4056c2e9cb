// The files of the page: what is served, how long it is kept, and what is not served.

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { assetNamed, indexPage } from "../../src/console/assets.ts";
import { tempDir } from "../servers/process.ts";

const root = tempDir("assets");
const folder = pathToFileURL(`${join(root, "console")}/`);
mkdirSync(join(root, "console/assets"), { recursive: true });
const write = (path: string, text: string) => writeFileSync(join(root, "console", path), text);

describe("a page that is built", () => {
  test("is served, and not kept", async () => {
    write("index.html", "<p>the page</p>");
    const { status, headers, body } = await indexPage(folder);
    assert.equal(status, 200);
    assert.equal(String(body), "<p>the page</p>");
    assert.equal(headers["Content-Type"], "text/html; charset=utf-8");
    assert.equal(headers["Cache-Control"], "no-store");
  });

  test("has files with a type each, which browsers keep, and know by an ETag", async () => {
    const types = { "index-a1.js": "text/javascript; charset=utf-8", "index-b2.css": "text/css; charset=utf-8", "logo-c3.svg": "image/svg+xml" }; // biome-ignore format: one line
    for (const [name, type] of Object.entries(types)) {
      write(`assets/${name}`, `the file ${name}`);
      const { status, headers, body } = await assetNamed(folder, name, undefined);
      assert.deepEqual([status, String(body)], [200, `the file ${name}`]);
      assert.equal(headers["Content-Type"], type);
      assert.equal(headers["Cache-Control"], "private, max-age=31536000, immutable");
      assert.equal(headers["X-Content-Type-Options"], "nosniff");
      const again = await assetNamed(folder, name, `"another", W/${headers.ETag}`);
      assert.deepEqual([again.status, again.body, again.headers.ETag], [304, undefined, headers.ETag]);
    }
  });

  test("has no other file: not of another type, beside it or above it", async () => {
    write("assets/index.js.map", "{}");
    write("assets/.hidden.js", "hidden");
    write("assets/index.d.ts", "types");
    write("index.js", "the server's code");
    writeFileSync(join(root, "above.js"), "above");
    for (const name of [
      "index.js.map",
      ".hidden.js",
      "index.d.ts",
      "../index.js",
      "..%2findex.js",
      "../../above.js",
      "none.js",
      `${"a".repeat(300)}.js`,
      "",
      "constructor",
    ]) {
      // biome-ignore format: one line
      assert.equal((await assetNamed(folder, name, undefined)).status, 404, name);
    }
  });
});

test("a page that is not built says how to build it", async () => {
  const { status, body } = await indexPage(pathToFileURL(`${join(root, "nowhere")}/`));
  assert.equal(status, 500);
  assert.match(String(body), /npm run build:console/);
});
