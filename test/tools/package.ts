// The package as npm packs it: it installs, imports, compiles and holds what it says.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const subpaths = Object.keys(manifest.exports)
  .filter((path) => !path.endsWith(".json"))
  .map((path) => path.replace(/^\./, "coatcheck"));
const { devDependencies } = manifest;
// What the applications below bring along, as any Express and Fastify application does.
const neighbours = ["express", "@types/express", "fastify", "@types/node", "typescript"].map(
  (name) => `${name}@${devDependencies[name]}`,
);
// Compilers that are still in use, and packages whose types have a session of their own.
const others = ["express-session", "@fastify/cookie", "@fastify/session", "@fastify/secure-session"]
  .map((name) => `${name}@${devDependencies[name]}`)
  .concat(
    "@types/express-session@1",
    "@fastify/csrf-protection@7",
    "ts53@npm:typescript@5.3",
    "ts59@npm:typescript@5.9",
  );

let home: string;
/** An application with the package. */
let folder: string;
let tarball: string;

function run(command: string, args: string[], cwd = folder): string {
  try {
    return execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`${command} ${args.join(" ")} fails:\n${stdout}\n${stderr}`);
  }
}

const bin = (name: string) => join(root, "node_modules", ".bin", name);

/** Makes an empty application and installs packages in it. */
function application(name: string, packages: string[]): string {
  const folder = join(home, name);
  mkdirSync(folder);
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name, private: true, type: "module" }));
  run("npm", ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline", ...packages], folder);
  return folder;
}

before(() => {
  home = mkdtempSync(join(tmpdir(), "coatcheck-package-"));
  const [packed] = JSON.parse(run("npm", ["pack", "--json", "--pack-destination", home], root));
  tarball = join(home, packed.filename);
  folder = application("application", [tarball, ...neighbours]);
});
after(() => rmSync(home, { recursive: true, force: true }));

/** What the subpaths for a framework, or for a tool, import of it. Whoever uses them has it. */
const OWN_PACKAGES: Record<string, string> = {
  "coatcheck/hono": "hono",
  "coatcheck/elysia": "elysia",
  "coatcheck/prometheus": "prom-client",
  "coatcheck/opentelemetry": "@opentelemetry/api",
};

test("every subpath of the installed package imports, without any database client or other framework", () => {
  const script = `const missing = {};
    for (const name of ${JSON.stringify(subpaths)}) {
      try {
        if (Object.keys(await import(name)).length === 0) throw new Error(name + " exports nothing");
      } catch (error) {
        if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
        missing[name] = /package '([^']+)'/.exec(error.message)?.[1] ?? error.message;
      }
    }
    console.log(JSON.stringify(missing));`;
  assert.deepEqual(JSON.parse(run(process.execPath, ["--input-type=module", "-e", script])), OWN_PACKAGES);
});

test("a small strict application compiles against it and runs", () => {
  writeFileSync(
    join(folder, "app.ts"),
    `import { createServer } from "node:http";
import { createSessions, StoreError, type Session, type SessionStore } from "coatcheck";
import { session as onExpress } from "coatcheck/express";
import { session as onFastify } from "coatcheck/fastify";
import { session as onFetch } from "coatcheck/fetch";
import { file } from "coatcheck/file";
import { memory } from "coatcheck/memory";
import { session as onNode } from "coatcheck/node";
import { redis } from "coatcheck/redis";
import express from "express";
import fastify from "fastify";

interface Cart { user?: string; items: string[]; views: number }
declare module "coatcheck" { interface SessionData extends Cart {} }

const store: SessionStore = memory({ maxSessions: 1000 });
const sessions = createSessions<Cart>({
  store, secret: "0123456789abcdef0123456789abcdef", idleTimeout: "20m", absoluteTimeout: "8h",
  merge: { views: "counter", items: "append" }, initial: { items: [], views: 0 },
});
export const others = [() => file({ path: "x" }), () => redis({ url: "redis://localhost:6379" })];
sessions.on("end", ({ id, reason }) => console.log(id, reason));

const app = express();
app.use(onExpress(sessions));
app.post("/cart", (req, res) => {
  req.session.data.items.push("hat");
  const views: number = req.session.update("views", (n) => (n ?? 0) + 1);
  res.send(String(views));
});
const api = fastify();
await api.register(onFastify(sessions));
api.get("/", { config: { session: "readonly" } }, async (request) => request.session.data.items.length);
export const handler = onFetch(sessions)((_request, session) => new Response(session.data.user ?? "nobody"));
createServer(onNode(sessions)((req, res) => res.end(req.session.id)));

const one: Session<Cart> = await sessions.open(null);
one.data.items.push("coat");
const [cookie] = await one.commit();
const two = await sessions.open(cookie!.split(";")[0]);
if (two.data.items[0] !== "coat" || two instanceof StoreError) throw new Error("the coat is lost");
console.log("the coat is back");
await sessions.close();

// @ts-expect-error a key that the interface does not have
two.data.itms;
// @ts-expect-error a counter is for numbers
() => createSessions<Cart>({ merge: { items: "counter" } });
// @ts-expect-error no such option
() => createSessions<Cart>({ idleTimout: "20m" });
`,
  );
  const options = { strict: true, module: "nodenext", target: "es2024", outDir: "out", types: ["node"] };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: options, files: ["app.ts"] }));
  run(process.execPath, [join(folder, "node_modules", "typescript", "bin", "tsc"), "-p", "."]);
  assert.match(run(process.execPath, ["out/app.js"]), /the coat is back/);
});

test("the command sets an empty project up, and says what is missing", () => {
  const folder = application("newcomer", [tarball]);
  const coatcheck = (...args: string[]) => run(join(folder, "node_modules/.bin/coatcheck"), args, folder);
  assert.match(coatcheck("init", "--store", "file"), /session\.json is written/);
  assert.match(coatcheck("doctor"), /All is well/);
  assert.equal(coatcheck("stats"), "0 sessions in session.json\n");
  coatcheck("init", "--store", "redis", "--force");
  assert.throws(() => coatcheck("doctor"), /✗ package: .*npm install redis/);
  assert.throws(() => coatcheck("migrate", "--from", "file:sessions", "--to", "session.json"), /npm install redis/);
  writeFileSync(join(folder, "server.js"), 'import session from "express-session";\n');
  assert.throws(() => coatcheck("migrate-from", "express-session"), /npm install --save-dev @babel\/parser/);
});

test("publint and arethetypeswrong have nothing to say", () => {
  assert.match(run(bin("publint"), [tarball, "--strict"], root), /All good/);
  run(bin("attw"), [tarball, "--no-emoji", "--exclude-entrypoints", "./schema.json"], root);
});

test("each subpath has its types under every resolution: of ES modules, of CommonJS, and by typesVersions", () => {
  for (const [path, entry] of Object.entries<{ require: { types: string }; types: string }>(manifest.exports)) {
    if (path.endsWith(".json")) continue;
    assert.equal(entry.require?.types, entry.types.replace(/\.d\.ts$/, ".d.cts"), path);
    const older = path === "." ? manifest.types : manifest.typesVersions["*"][path.slice(2)]?.[0];
    assert.equal(older, entry.types, path);
  }
});

describe("beside other packages and older compilers", () => {
  let beside: string;
  before(() => {
    beside = application("beside", [tarball, ...neighbours, ...others]);
  });

  /** Compiles `files` strictly, with the types of all packages checked too unless `options` say otherwise. */
  function compile(name: string, compiler: string, options: object, files: Record<string, string>): string {
    const project = join(beside, name);
    mkdirSync(project);
    for (const [file, text] of Object.entries(files)) writeFileSync(join(project, file), text);
    const common = { strict: true, target: "es2022", outDir: "out", types: ["node"], esModuleInterop: true };
    writeFileSync(
      join(project, "tsconfig.json"),
      JSON.stringify({
        compilerOptions: { ...common, ...options },
        files: Object.keys(files).filter((file) => /ts$/.test(file)),
      }),
    );
    run(process.execPath, [join(beside, "node_modules", compiler, "bin", "tsc"), "-p", "."], project);
    return project;
  }

  const commonJs: [compiler: string, options: object][] = [
    ["ts53", { module: "commonjs", moduleResolution: "node" }],
    ["ts53", { module: "node16" }],
    ["ts59", { module: "commonjs", moduleResolution: "node" }],
    ["ts59", { module: "node16" }],
    ["typescript", { module: "nodenext" }],
  ];
  for (const [index, [compiler, options]] of commonJs.entries()) {
    test(`an application in CommonJS compiles with ${compiler} and ${JSON.stringify(options)}, and runs`, () => {
      const project = compile(
        `commonjs${index}`,
        compiler,
        { ...options, skipLibCheck: true },
        {
          "package.json": '{ "type": "commonjs" }',
          "app.ts": `import { createSessions, StoreError, type Session, type SessionStore } from "coatcheck";
import { session as onExpress } from "coatcheck/express";
import { memory } from "coatcheck/memory";
import { redis, type RedisOptions } from "coatcheck/redis";
import { ConfigError } from "coatcheck/config";
import express = require("express");

interface Cart { user?: string; items: string[]; views: number }
declare module "coatcheck" { interface SessionData extends Cart {} }
const store: SessionStore = memory({ maxSessions: 1000 });
const sessions = createSessions<Cart>({ store, secret: "0123456789abcdef0123456789abcdef", merge: { views: "counter" } });
const app = express();
app.use(onExpress(sessions));
app.post("/cart", (req, res) => {
  req.session.data.items.push("hat");
  const views: number = req.session.update("views", (n) => (n ?? 0) + 1);
  res.send(String(views));
});
export const other = (options: RedisOptions) => redis(options);
export const codeOf = (error: unknown) => (error instanceof StoreError || error instanceof ConfigError ? error.code : "");
async function main(): Promise<void> {
  const one: Session<Cart> = await sessions.open(null);
  one.set("items", ["coat"]);
  const [cookie] = await one.commit();
  const two = await sessions.open(cookie!.split(";")[0]);
  if (two.data.items[0] !== "coat" || two instanceof StoreError) throw new Error("the coat is lost");
  console.log("the coat is back");
}
void main();
// @ts-expect-error no such option
() => createSessions<Cart>({ idleTimout: "20m" });
// @ts-expect-error a key that the interface does not have
(session: Session<Cart>) => session.data.itms;
`,
        },
      );
      assert.match(run(process.execPath, ["out/app.js"], project), /the coat is back/);
    });
  }

  for (const [index, [compiler, options]] of commonJs.entries()) {
    test(`the drop-in for express-session in CommonJS, with ${compiler} and ${JSON.stringify(options)}`, () => {
      // The older resolution of modules knows the types of the ES module only.
      const isOld = "moduleResolution" in options;
      const project = compile(
        `drop-in${index}`,
        compiler,
        { ...options, skipLibCheck: true },
        {
          "package.json": '{ "type": "commonjs" }',
          "app.ts": `import express = require("express");
import session from "coatcheck/express-session";
import required = require("coatcheck/express-session");
declare module "coatcheck/express-session" { interface SessionData { views: number } }
const app = express();
app.use(session({ secret: "x", resave: false, saveUninitialized: false, cookie: { maxAge: 60_000 } }));
app.use(required${isOld ? ".default" : ""}({ secret: "x", compat: 2, store: new session.MemoryStore() }));
app.get("/", async (req, res) => {
  req.session.views = (req.session.views ?? 0) + 1;
  await req.session.save();
  req.session.regenerate((error: unknown) => res.send(req.sessionID + String(error)));
  // @ts-expect-error a key that the interface does not have
  req.session.vews;
});
const plain = require("coatcheck/express-session");
if (plain !== session || typeof plain !== "function" || plain.Store !== session.Store) throw new Error("not the function");
console.log(typeof plain);
`,
        },
      );
      assert.equal(run(process.execPath, ["out/app.js"], project).trim(), "function");
    });
  }

  const ours = (name: string) => `import { session } from "coatcheck/${name}";\n`;
  const express = `import express from "express";
const app = express();
app.use("/ours", session());
app.use("/theirs", other({ secret: "x" }));
app.get("/theirs", (req) => [req.session.cookie.maxAge, req.sessionID]);
`;
  const fastify = (options: string, use: string) => `import fastify from "fastify";
const api = fastify();
await api.register(session());
await api.register(other, ${options});
api.get("/", async (request) => request.session.${use});
export {};
`;
  const clashes: [other: string, ours: string, rest: string][] = [
    ["express-session", ours("express"), express],
    [
      "express-session",
      ours("express-session"),
      `declare module "express-session" { interface SessionData { views: number } }
${express}app.get("/", (req) => [req.session.views, req.sessionStore.get]);
`,
    ],
    ["@fastify/session", ours("fastify"), fastify('{ secret: "x" }', "sessionId")],
    ["@fastify/secure-session", ours("fastify"), fastify("{ key: Buffer.alloc(32) }", 'get("x")')],
  ];
  for (const [index, [other, own, rest]] of clashes.entries()) {
    const theirs = `import other from "${other}";\n`;
    test(`the types of ${own.match(/coatcheck[^"]*/)} do not clash with those of ${other}, in whichever order`, () => {
      for (const [order, head] of [own + theirs, theirs + own].entries()) {
        for (const compiler of ["typescript", "ts59"]) {
          const options = { module: "esnext", moduleResolution: "bundler", lib: ["es2023", "dom"] };
          const name = `${other.replaceAll("/", "-")}${index}${order}${compiler}`;
          compile(name, compiler, { ...options, noEmit: true }, { "app.ts": head + rest });
        }
      }
    });
  }

  test("@fastify/csrf-protection works with the sessions of coatcheck", () => {
    writeFileSync(
      join(beside, "csrf.mjs"),
      `import csrf from "@fastify/csrf-protection";
import fastify from "fastify";
import { session } from "coatcheck/fastify";
const app = fastify();
await app.register(session({ secret: "0123456789abcdef0123456789abcdef", cookie: { secure: "auto" } }));
await app.register(csrf, { sessionPlugin: "@fastify/secure-session" });
app.get("/form", async (_request, reply) => reply.generateCsrf());
app.post("/form", { onRequest: app.csrfProtection }, async () => "sent");
const { body: token, headers } = await app.inject("/form");
const cookie = [headers["set-cookie"]].flat()[0].split(";")[0];
const post = (headers) => app.inject({ method: "POST", url: "/form", headers }).then((answer) => answer.statusCode);
console.log(await post({ cookie, "csrf-token": token }), await post({ cookie, "csrf-token": "x" }), await post({ cookie }));
`,
    );
    assert.equal(run(process.execPath, ["csrf.mjs"], beside).trim(), "200 403 403");
  });
});

test("it installs beside older clients, and says in use which version is too old", () => {
  const old = ["redis@4", "ioredis@4", "mysql2@2", "pg@7", "mssql@10", "fast-xml-parser@4", "express-session@1.15", "fastify@3", "@tediousjs/connection-string@0.5"]; // biome-ignore format: one line
  const beside = application("old", old);
  run("npm", ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline", tarball], beside);
  run("npm", ["ls"], beside);
  writeFileSync(join(beside, "web.config"), "<configuration/>");
  writeFileSync(
    join(beside, "use.mjs"),
    `import fastify from "fastify";
import { fromWebConfig } from "coatcheck/config";
import { toExpressStore } from "coatcheck/express-store";
import { session } from "coatcheck/fastify";
import { memory } from "coatcheck/memory";
import { mssql } from "coatcheck/mssql";
import { mysql } from "coatcheck/mysql";
import { postgres } from "coatcheck/postgres";
import { redis } from "coatcheck/redis";
import { createClient } from "redis";
const uses = [
  () => redis({ url: "redis://127.0.0.1:1" }).read("k"),
  () => redis({ cluster: { nodes: ["127.0.0.1:1"] } }).read("k"),
  () => redis({ client: createClient() }),
  () => mysql({ url: "mysql://127.0.0.1:1/x" }).read("k"),
  () => postgres({ url: "postgres://127.0.0.1:1/x" }).read("k"),
  () => mssql({ connectionString: "Server=127.0.0.1,1;Database=x;User Id=u;Password=p" }).read("k"),
  () => fromWebConfig("web.config"),
  () => toExpressStore(memory()).createSession({}, { cookie: {} }),
  () => fastify().register(session({ secret: "0123456789abcdef0123456789abcdef" })).ready(),
];
for (const use of uses) await Promise.resolve().then(use).then(() => console.log("it works"), (error) => console.log(error.code, error.message));
process.exit();
`,
  );
  const lines = run(process.execPath, ["use.mjs"], beside).trim().split("\n");
  const tooOld = (oldest: string, name: string, version: string) =>
    new RegExp(
      `^COATCHECK_PEER coatcheck: .* needs version ${oldest} or later of the package "${name}", but version ${version}\\S+ is installed: npm install ${name}@latest$`,
    );
  const expected = [
    tooOld("5", "redis", "4\\."),
    tooOld("5", "redis", "4\\."),
    /^COATCHECK_OPTION .*give a client of the package "redis" \(version 5 or later\)/,
    tooOld("3", "mysql2", "2\\."),
    tooOld("8", "pg", "7\\."),
    tooOld("11", "mssql", "10\\."),
    tooOld("5", "fast-xml-parser", "4\\."),
    tooOld("1.17", "express-session", "1\\.15"),
    tooOld("4.10", "fastify", "3\\."),
  ];
  assert.equal(lines.length, expected.length, lines.join("\n"));
  for (const [index, line] of lines.entries()) assert.match(line, expected[index]!);
});

test("the package holds what it says and nothing else", () => {
  const files = run("tar", ["-tzf", tarball])
    .trim()
    .split("\n")
    .map((file) => file.replace(/^package\//, ""));
  const expected =
    /^(dist\/|docs\/|bench\/README\.md$|bench\/results\/[\w-]+\.(md|svg)$|package\.json$|README\.md$|CHANGELOG\.md$|LICENSE$)/;
  assert.deepEqual(
    files.filter((file) => !expected.test(file)),
    [],
  );
  // A source map would name sources that the package does not hold. Its JavaScript is the source without its types.
  assert.deepEqual(
    files.filter((file) => file.endsWith(".map")),
    [],
  );
  assert.equal(run("tar", ["-xzOf", tarball, "package/dist/index.js"]).includes("sourceMappingURL"), false);
});

test("what the package's documents link to, and their pictures, are in the package", () => {
  const files = new Set(
    run("tar", ["-tzf", tarball])
      .trim()
      .split("\n")
      .map((file) => file.replace(/^package\//, "")),
  );
  const dead: string[] = [];
  for (const file of files) {
    if (!file.endsWith(".md")) continue;
    const text = run("tar", ["-xzOf", tarball, `package/${file}`]);
    for (const [, target] of text.matchAll(/\]\(([^)\s#]+)(?:#[^)\s]*)?\)/g)) {
      if (/^[a-z]+:/.test(target!)) continue;
      if (!files.has(join(dirname(file), target!))) dead.push(`${file}: ${target}`);
    }
  }
  assert.deepEqual(dead, []);
  assert.ok(files.has("docs/demo.png"));
  for (const field of ["repository", "homepage", "bugs"]) {
    const value = manifest[field].url ?? manifest[field];
    assert.match(value, /^(git\+)?https:\/\/github\.com\/coatcheck\/coatcheck\b/);
  }
});
