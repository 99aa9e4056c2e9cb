// migrate-from: small projects, of which the mechanical part is changed and the rest is listed.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { freePort, tempDir, waitFor } from "../servers/process.ts";
import { coatcheckHere } from "./cli.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

interface Place {
  file: string;
  line: number;
  found: string;
  change: string;
  why?: string;
}

interface Report {
  files: number;
  written: number;
  changes: Place[];
  byHand: Place[];
  unreadable: { file: string; why: string }[];
  packages: string[];
}

/** A project in a folder of its own, which git knows. */
function project(files: Record<string, string>, { isCommitted = true } = {}): string {
  const folder = tempDir("migrate-from");
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), text);
  }
  git(folder, "init", "--quiet");
  if (isCommitted) commit(folder);
  return folder;
}

function git(folder: string, ...args: string[]): string {
  return execFileSync("git", args, { cwd: folder, encoding: "utf8" });
}

function commit(folder: string): void {
  git(folder, "add", "--force", ".");
  git(folder, "-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "--quiet", "-m", "all");
}

async function migrate(packageName: string, folder: string, ...flags: string[]): Promise<Report> {
  const { code, stdout, stderr } = await coatcheckHere(["migrate-from", packageName, folder, "--json", ...flags]);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

const text = (folder: string, file: string) => readFileSync(join(folder, file), "utf8");
const where = (places: Place[]) => places.map(({ file, line }) => `${file}:${line}`);

/** A server that counts a user's visits. */
const APP = (head: string) => `${head}
const app = express();
app.use(visits({ secret: "a secret for the test", resave: false, saveUninitialized: false }));
app.get("/", (req, res) => {
  req.session.visits = (req.session.visits ?? 0) + 1;
  res.send(String(req.session.visits));
});
app.listen(process.env.PORT, "127.0.0.1");
`;

/** Runs a project with the packages of this repository. Resolves with what the second visit is answered. */
async function secondVisit(folder: string, file: string): Promise<string> {
  const modules = join(folder, "node_modules");
  mkdirSync(join(modules, "coatcheck"), { recursive: true });
  symlinkSync(join(root, "node_modules/express"), join(modules, "express"));
  const entry = JSON.stringify(join(root, "src/adapters/express-session/index.ts"));
  const exports = { "./express-session": { require: "./index.cjs", default: "./index.mjs" } };
  writeFileSync(join(modules, "coatcheck/package.json"), JSON.stringify({ name: "coatcheck", exports }));
  writeFileSync(join(modules, "coatcheck/index.cjs"), `module.exports = require(${entry}).default;`);
  writeFileSync(join(modules, "coatcheck/index.mjs"), `export { default } from ${entry}; export * from ${entry};`);
  const port = await freePort();
  const child = spawn(process.execPath, [join(folder, file)], { env: { ...process.env, PORT: String(port) } });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += data));
  try {
    const url = `http://127.0.0.1:${port}`;
    await waitFor("the application", async () => {
      assert.equal(child.exitCode, null, output);
      return (await fetch(`${url}/`)).ok;
    });
    const cookie = (await fetch(url)).headers.getSetCookie()[0]!.split(";")[0]!;
    return await (await fetch(url, { headers: { cookie } })).text();
  } finally {
    const ended = once(child, "exit");
    child.kill();
    if (child.exitCode === null) await ended;
  }
}

describe("from express-session", () => {
  test("a CommonJS application runs on the drop-in, and nothing else in it has changed", async () => {
    const before = APP(
      '#!/usr/bin/env node\nconst express = require("express"), visits = require( "express-session" ) // as ever\r\n',
    );
    const folder = project({ "server.js": before, "package.json": '{"dependencies":{"express-session":"1"}}' });
    const { changes, byHand, written, packages } = await migrate("express-session", folder, "--write");
    assert.deepEqual(where(changes), ["server.js:2"]);
    assert.deepEqual(byHand, []);
    assert.equal(written, 1);
    assert.deepEqual(packages, ["npm install coatcheck", "When all tests pass: npm uninstall express-session"]);
    assert.equal(text(folder, "server.js"), before.replace('"express-session"', '"coatcheck/express-session"'));
    assert.equal(await secondVisit(folder, "server.js"), "2");
  });

  test("an ESM application with a renamed import and a byte order mark", async () => {
    const before = `\uFEFF${APP("import express from 'express';\nimport { default as visits } from 'express-session';")}`;
    const folder = project({ "src/server.mjs": before });
    await migrate("express-session", folder, "--write");
    assert.equal(text(folder, "src/server.mjs"), before.replace("'express-session'", "'coatcheck/express-session'"));
    assert.equal(await secondVisit(folder, "src/server.mjs"), "2");
  });

  test("TypeScript: every form of import", async () => {
    const folder = project({
      "a.ts": 'import session = require("express-session");\nimport type { SessionData } from "express-session";\n',
      "b.mts": "export { Store } from `express-session`;\n".replaceAll("`", '"'),
      "c.cts": "const { MemoryStore: Memory } = require(`express-session`);\n",
      "d.tsx": 'const load = () => import("express-session");\nexport const page = <p title="express-session">x</p>;\n',
      "e.ts": '@Module({})\nclass A { constructor(private store: import("express-session").Store) {} }\n',
      "f.d.ts": 'declare module "express-session" {\n  interface SessionData { user: string }\n}\n',
    });
    const { changes, byHand, unreadable } = await migrate("express-session", folder, "--write");
    assert.deepEqual(unreadable, []);
    assert.deepEqual(where(changes), ["a.ts:1", "a.ts:2", "b.mts:1", "c.cts:1", "d.tsx:1", "e.ts:2"]);
    assert.deepEqual(where(byHand), ["f.d.ts:1"]);
    assert.equal(text(folder, "c.cts"), "const { MemoryStore: Memory } = require(`coatcheck/express-session`);\n");
    assert.match(text(folder, "d.tsx"), /import\("coatcheck\/express-session"\);\n.*title="express-session"/);
    assert.match(text(folder, "e.ts"), /import\("coatcheck\/express-session"\)\.Store/);
    assert.match(text(folder, "f.d.ts"), /module "express-session"/);
  });

  test("lists what needs a person, with the reason, and leaves it as it is", async () => {
    const files = {
      "load.js": 'const name = "express-session";\nmodule.exports = require(name);\n',
      "cookie.js": 'const Cookie = require("express-session/session/cookie");\n',
      "test/app.test.js": 'jest.mock("express-session");\n',
      "notes.js": '// require("express-session")\nconst text = `require("express-session")`;\n',
    };
    const folder = project(files);
    const { changes, byHand, written } = await migrate("express-session", folder, "--write");
    assert.deepEqual([changes, written], [[], 0]);
    assert.deepEqual(where(byHand), ["cookie.js:1", "load.js:2", "test/app.test.js:1"]);
    for (const { why, change } of byHand) assert.ok(why && change);
    for (const [file, before] of Object.entries(files)) assert.equal(text(folder, file), before);
  });

  test("names the packages that still need express-session, and scripts that ask it for logs", async () => {
    const folder = project({
      "server.js": 'const session = require("express-session");\n',
      "package.json": JSON.stringify({
        dependencies: { "express-session": "1", "connect-redis": "9", express: "5", coatcheck: "0" },
        scripts: { start: "DEBUG=express-session node server.js" },
      }),
      "node_modules/connect-redis/package.json": '{"peerDependencies":{"express-session":">=1"}}',
      "node_modules/express/package.json": "{}",
      "node_modules/connect-redis/index.js": 'require("express-session");\n',
    });
    const { packages, changes } = await migrate("express-session", folder);
    assert.deepEqual(where(changes), ["server.js:1"]);
    assert.equal(packages.length, 2);
    assert.match(packages[0]!, /^Keep the package express-session: connect-redis needs it/);
    assert.match(packages[1]!, /script "start"/);
  });

  test("writes nothing without --write, and nothing new the second time", async () => {
    const before = 'import session from "express-session";\n';
    const folder = project({ "a.js": before });
    assert.equal((await migrate("express-session", folder)).written, 0);
    assert.equal(text(folder, "a.js"), before);
    assert.equal((await migrate("express-session", folder, "--write")).written, 1);
    const after = text(folder, "a.js");
    const again = await migrate("express-session", folder, "--write");
    assert.deepEqual([again.written, again.changes], [0, []]);
    assert.equal(text(folder, "a.js"), after);
  });

  test("refuses to write over changes that are not committed, unless it is forced", async () => {
    const before = 'import session from "express-session";\n';
    const folder = project({ "a.js": before, "b.txt": "one" });
    writeFileSync(join(folder, "b.txt"), "two");
    const { code, stderr } = await coatcheckHere(["migrate-from", "express-session", folder, "--write"]);
    assert.equal(code, 1);
    assert.match(stderr, /nothing was written: .*not committed.*--force/);
    assert.equal(text(folder, "a.js"), before);
    assert.equal((await migrate("express-session", folder, "--write", "--force")).written, 1);
  });

  test("leaves ignored files alone, and says which files it can't read", async () => {
    const folder = project(
      {
        ".gitignore": "dist\n",
        "dist/a.js": 'require("express-session");\n',
        "broken.js": 'const session = require("express-session"); }}} ((\n',
        "a.js": 'require("express-session");\n',
      },
      { isCommitted: false },
    );
    const { changes, unreadable } = await migrate("express-session", folder, "--write", "--force");
    assert.deepEqual(where(changes), ["a.js:1"]);
    assert.deepEqual(
      unreadable.map(({ file }) => file),
      ["broken.js"],
    );
  });

  test("changes several places of one file, and leaves bundles alone", async () => {
    const lines = [
      'import session from "express-session";',
      'export { Store } from "express-session";',
      'await import("express-session");',
    ];
    const bundle = `require("express-session");${" ".repeat(1_000_000)}`;
    const folder = project({ "a.mjs": lines.join("\n"), "bundle.js": bundle });
    const { changes } = await migrate("express-session", folder, "--write");
    assert.deepEqual(where(changes), ["a.mjs:1", "a.mjs:2", "a.mjs:3"]);
    assert.equal(text(folder, "a.mjs"), lines.join("\n").replaceAll("express-session", "coatcheck/express-session"));
    assert.equal(text(folder, "bundle.js"), bundle);
  });

  test("a long line is shortened", async () => {
    const call = `require(${JSON.stringify("x".repeat(90))} + process.env.STORE)`;
    const { byHand } = await migrate("express-session", project({ "a.js": `const session = ${call};\n` }));
    assert.equal(byHand[0]!.found, `${call.slice(0, 99)}…`);
  });

  test("prints file, line and change", async () => {
    const folder = project({ "a.js": '\nconst session = require("express-session");\nrequire(process.env.STORE);\n' });
    const { code, stdout } = await coatcheckHere(["migrate-from", "express-session", folder]);
    assert.equal(code, 0);
    assert.match(stdout, /^a\.js:2 {2}"express-session"\n {4}changes to: "coatcheck\/express-session"$/m);
    assert.match(stdout, /^a\.js:3 {2}require\(process\.env\.STORE\)\n {4}by hand: .*\n {4}why: /m);
    assert.match(stdout, /1 change without a person, 1 by hand, in 1 file\.\n.*--write/);
    const none = await coatcheckHere(["migrate-from", "express-session", project({ "a.js": "let session;\n" })]);
    assert.equal(none.stdout, "express-session is not used in 1 file.\n");
  });
});

describe("from packages without a drop-in: each place is listed, and nothing is written", () => {
  const cases: [packageName: string, files: Record<string, string>, expected: Record<string, RegExp>][] = [
    [
      "cookie-session",
      {
        "app.js": [
          'const cookies = require("cookie-session");',
          'app.use(cookies({ name: "s", keys: ["k"] }));',
          "app.get('/', (req, res) => { req.session.views++; if (req.session.isNew) req.session = null; });",
        ].join("\n"),
        "other.ts": "export const user = (req: any) => req.session!.user as string;\n",
        "whole.mjs": 'import * as cookies from "cookie-session";\nexport default cookies({ name: "s" });\n',
        "same.js": "module.exports = (req, other) => { req.session = other; };\n",
      },
      {
        "app.js:1": /docs\/adapters\.md/,
        "app.js:2": /coatcheck\/express/,
        "app.js:3": /req\.session\.data\.views|session\.destroy\(\)/,
        "other.ts:1": /req\.session!\.data\.user/,
        "whole.mjs:1": /docs\/adapters\.md/,
        "whole.mjs:2": /coatcheck\/express/,
      },
    ],
    [
      "koa-session",
      {
        "app.js": [
          'import session from "koa-session";',
          "app.use(session(CONFIG, app));",
          "app.use((ctx) => { ctx.session.views = 1; });",
          "app.use((ctx) => ctx.session.manuallyCommit());",
        ].join("\n"),
      },
      {
        "app.js:1": /docs\/frameworks\.md#koa/,
        "app.js:2": /coatcheck\/koa/,
        "app.js:3": /ctx\.session\.data\.views/,
        "app.js:4": /session\.save\(\)/,
      },
    ],
    [
      "@fastify/session",
      {
        "app.ts": [
          'import fastifySession from "@fastify/session";',
          "app.register(fastifySession, { secret });",
          "app.get('/', async (request) => { request.session.set('a', 1); await request.session.destroy(); });",
          "app.get('/id', (request) => request.session.sessionId);",
        ].join("\n"),
      },
      {
        "app.ts:1": /docs\/adapters\.md#fastify/,
        "app.ts:2": /coatcheck\/fastify/,
        "app.ts:3": /destroy/,
        "app.ts:4": /session\.id/,
      },
    ],
    [
      "@fastify/secure-session",
      { "app.js": 'app.register(require("@fastify/secure-session"), {});\napp.get("/", (r) => r.session.delete());\n' },
      { "app.js:1": /docs\/adapters\.md#fastify/, "app.js:2": /session\.destroy\(\)/ },
    ],
    [
      "iron-session",
      {
        "page.tsx": [
          'import { getIronSession as open } from "iron-session";',
          "export async function GET(req, res) {",
          "  const session = await open(req, res, options);",
          "  session.user = 'ann';",
          "  await session.save();",
          "  return req.session.nothing;",
          "}",
        ].join("\n"),
      },
      {
        "page.tsx:1": /docs\/frameworks\.md#nextjs/,
        "page.tsx:3": /coatcheck\/next/,
        "page.tsx:4": /session\.data\.user/,
        "page.tsx:5": /remove it/,
      },
    ],
    [
      "h3",
      {
        "a.js":
          'import { H3, useSession } from "h3";\nconst session = await useSession(event, {});\nawait session.update({ a: 1 });\n',
        "nitro.ts": "export default async (event) => { await clearSession(event, config); };\n",
        "react.tsx":
          'import { useSession } from "next-auth/react";\nconst a = useSession();\ndocument.createElement("h3");\n',
      },
      { "a.js:2": /event\.context\.session/, "a.js:3": /Object\.assign/, "nitro.ts:1": /destroy/ },
    ],
  ];
  for (const [packageName, files, expected] of cases) {
    test(packageName, async () => {
      const folder = project(files);
      const { changes, byHand, unreadable } = await migrate(packageName, folder, "--write");
      assert.deepEqual([changes, unreadable], [[], []]);
      assert.deepEqual([...new Set(where(byHand))].sort(), Object.keys(expected), JSON.stringify(byHand, null, 1));
      for (const { file, line, change, why } of byHand) {
        assert.match(change, expected[`${file}:${line}`]!);
        assert.ok(why);
      }
      for (const [file, before] of Object.entries(files)) assert.equal(text(folder, file), before);
    });
  }
});
