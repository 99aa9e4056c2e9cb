import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const subpaths = Object.keys(manifest.exports)
  .filter((path) => !path.endsWith(".json"))
  .map((path) => path.replace(/^\./, "coatcheck"));
// What the application below brings along, as any Express and Fastify application does.
const neighbours = ["express", "@types/express", "fastify", "@types/node", "typescript"];

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

before(() => {
  folder = mkdtempSync(join(tmpdir(), "coatcheck-package-"));
  const [packed] = JSON.parse(run("npm", ["pack", "--json", "--pack-destination", folder], root));
  tarball = join(folder, packed.filename);
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "empty", private: true, type: "module" }));
  const versions = neighbours.map((name) => `${name}@${manifest.devDependencies[name]}`);
  run("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", tarball, ...versions]);
});
after(() => rmSync(folder, { recursive: true, force: true }));

test("every subpath of the installed package imports, without any database client", () => {
  const script = `const names = ${JSON.stringify(subpaths)};
    for (const name of names) if (Object.keys(await import(name)).length === 0) throw new Error(name + " exports nothing");
    console.log(names.length);`;
  assert.equal(run(process.execPath, ["--input-type=module", "-e", script]).trim(), String(subpaths.length));
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
createSessions<Cart>({ merge: { items: "counter" } });
// @ts-expect-error no such option
createSessions<Cart>({ idleTimout: "20m" });
`,
  );
  const options = { strict: true, module: "nodenext", target: "es2024", outDir: "out", types: ["node"] };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: options, files: ["app.ts"] }));
  run(process.execPath, [join(folder, "node_modules", "typescript", "bin", "tsc"), "-p", "."]);
  assert.match(run(process.execPath, ["out/app.js"]), /the coat is back/);
});

test("publint and arethetypeswrong have nothing to say", () => {
  assert.match(run(bin("publint"), [tarball, "--strict"], root), /All good/);
  run(bin("attw"), [tarball, "--profile", "esm-only", "--no-emoji"], root);
});

test("the package holds what it says and nothing else", () => {
  const files = run("tar", ["-tzf", tarball]).trim().split("\n");
  const unexpected = files.filter(
    (file) => !/^package\/(dist\/|package\.json|README\.md|CHANGELOG\.md|LICENSE)/.test(file),
  );
  assert.deepEqual(unexpected, []);
});
