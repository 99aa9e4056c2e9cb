// The document of the console: each of its applications is run as it stands.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { createSessions } from "../../src/index.ts";
import { file } from "../../src/stores/file/index.ts";
import { freePort, tempDir, waitFor } from "../servers/process.ts";
import { SECRET } from "../support/stores.ts";
import { at, send, Viewer } from "./viewer.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const text = readFileSync(join(root, "docs/console.md"), "utf8");
/** Each application by the name in its first line. */
const applications = Object.fromEntries(
  [...text.matchAll(/^```js\n\/\/ ([\w.]+)\n(.*?)^```/gms)].map(([, name, code]) => [name!, code!]),
);
const PACKAGES = ["express", "fastify", "koa", "hono", "@hono/node-server", "h3", "elysia", "@elysiajs/node"];
const ENTRIES = { ".": "index", "./console": "console/index", "./file": "stores/file/index" };

describe("docs/console.md", () => {
  const { "farm.js": farm, ...mounted } = applications;

  test("has the applications that are tested here", () => {
    assert.deepEqual(Object.keys(mounted), ["express", "fastify", "node", "koa", "hono", "h3", "elysia"]);
  });

  for (const [name, code] of Object.entries(mounted)) {
    test(`${name}: the console of the document is there for an administrator, and for nobody else`, async (t) => {
      const folder = makeProject(farm!, code);
      const url = await start(t, folder);
      const sessions = createSessions<{ role: string }>({
        store: file({ path: join(folder, "sessions") }),
        secret: SECRET,
        sweepInterval: false,
      });
      t.after(() => sessions.close());
      const login = async (role: string) => {
        const session = await sessions.open(null);
        session.set("role", role);
        session.owner = role;
        const [cookie] = await session.commit();
        return { id: session.id, ask: at(`${url}console/`, { cookie: cookie!.split(";")[0]! }) };
      };
      const [admin, user] = [await login("admin"), await login("user")];

      const bare = await fetch(`${url}console`, { redirect: "manual", headers: { cookie: "a=b" } });
      assert.equal(bare.status, 403);
      for (const path of ["", "live", "assets/a.js"]) assert.equal((await user.ask(path)).status, 403, path);
      assert.equal((await send(user.ask, "end", { owner: "admin" })).status, 403);

      const redirected = await admin.ask("../console");
      assert.deepEqual([redirected.status, redirected.headers.get("location")], [308, "./console/"]);
      // The page may not be built here.
      assert.match((await admin.ask("")).headers.get("content-security-policy")!, /^default-src 'none'/);
      assert.equal((await admin.ask("assets/none.js")).status, 404);
      assert.equal((await admin.ask("find")).status, 405);
      const viewer = await Viewer.open(admin.ask);
      await viewer.until("both sessions", ({ alive, servers }) => alive?.count === 2 && servers.length === 1);
      const found = (await (await send(admin.ask, "find", { id: user.id })).json()) as { record: { owner: string } };
      assert.equal(found.record.owner, "user");
      assert.deepEqual(await (await send(admin.ask, "end", { owner: "user" })).json(), { ended: 1 });
      await viewer.until("the end", ({ servers }) => servers[0]!.totals.ended.revoked === 1);
      viewer.leave();
    });
  }
});

/** A project with the packages of this repository. */
function makeProject(farm: string, code: string): string {
  const folder = tempDir("console-document");
  const library = join(folder, "node_modules/coatcheck");
  mkdirSync(library, { recursive: true });
  for (const name of PACKAGES) {
    mkdirSync(dirname(join(folder, "node_modules", name)), { recursive: true });
    symlinkSync(join(root, "node_modules", name), join(folder, "node_modules", name));
  }
  const exports: Record<string, string> = {};
  for (const [i, [name, source]] of Object.entries(ENTRIES).entries()) {
    exports[name] = `./${i}.js`;
    writeFileSync(join(library, `${i}.js`), `export * from ${JSON.stringify(join(root, "src", `${source}.ts`))};`);
  }
  writeFileSync(join(library, "package.json"), JSON.stringify({ name: "coatcheck", type: "module", exports }));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
  writeFileSync(join(folder, "farm.js"), farm);
  writeFileSync(join(folder, "server.js"), code);
  return folder;
}

/** Starts the server, and gives its address. */
async function start(t: TestContext, cwd: string): Promise<string> {
  const port = await freePort();
  const env = { PATH: process.env.PATH, PORT: String(port), SESSION_SECRET: SECRET };
  const child = spawn(process.execPath, ["server.js"], { cwd, env, stdio: ["ignore", "ignore", "pipe"] });
  const ended = once(child, "exit");
  t.after(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  let output = "";
  child.stderr.on("data", (data) => {
    output += data;
  });
  // Some frameworks listen on the addresses of one protocol alone.
  const addresses = [`http://127.0.0.1:${port}/`, `http://[::1]:${port}/`];
  let found: string | undefined;
  await waitFor(
    "the server",
    async () => {
      assert.equal(child.exitCode, null, output);
      for (const address of addresses) {
        const isThere = await fetch(`${address}console`, { redirect: "manual" }).then(
          () => true,
          () => false,
        );
        if (isThere) found = address;
      }
      return found !== undefined;
    },
    120_000,
  );
  return found!;
}
