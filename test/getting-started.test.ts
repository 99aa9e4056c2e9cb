// The document "Getting started", done as it says: its code, its commands, and what it promises.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { text as readText } from "node:stream/consumers";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { coatcheck } from "./cli/cli.ts";
import { freePort, tempDir, waitFor } from "./servers/process.ts";
import { startRedis } from "./servers/redis.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const text = readFileSync(join(root, "docs/getting-started.md"), "utf8");
const [app, moving] = [...text.matchAll(/^```js\n(.*?)^```/gms)].map(([, code]) => code!) as [string, string];
/** The commands of each section, by its number. */
const commands = text
  .split(/^## /m)
  .map((section) => [...section.matchAll(/^ *npx coatcheck (.*)$/gm)].map(([, args]) => args!.split(" ")));

const running = new Map<number, ChildProcess>();
after(() => Promise.all([...running.keys()].map(stop)));

test("an application runs on three servers, and moves to Redis while users go on", async () => {
  const folder = makeProject();
  const cwd = folder;
  const file = (name: string) => join(folder, name);
  const run = async (args: string[], wanted: RegExp) => {
    const { code, stdout, stderr } = await coatcheck(args, { cwd });
    assert.equal(code, 0, `${args.join(" ")}: ${stdout}${stderr}`);
    assert.match(stdout, wanted);
  };
  const [, setUp, , , look, move] = commands;
  await run(setUp![0]!, /session\.json is written/);
  writeFileSync(file("server.js"), app);
  const ports = [await freePort(), await freePort(), await freePort()];
  for (const port of ports) await start(port, folder);

  const login = await ask(ports[0]!, "/login", { body: "user=ann" });
  const cookie = login.cookies[0]!.split(";")[0]!;
  let views = 0;
  /** No view is lost, and nobody is logged out. */
  const visit = async (port: number) => {
    const { body } = await ask(port, "/", { cookie });
    assert.equal(body, `ann, view ${++views}, port ${port}\n`);
  };
  for (const port of ports) await visit(port);

  const [doctor, stats, list] = look!;
  // On a machine that is busy, it may find reads slow.
  await run(doctor!, /✓ settings: these settings open 1 session/);
  await run(stats!, /^1 session in session\.json/);
  await run(list!, / ann /);

  const redis = await startRedis({ config: ["maxmemory 1gb", "appendonly yes"] });
  after(() => redis.stop());
  const [init, again, migrate] = move!;
  renameSync(file("session.json"), file("session.file.json"));
  await run(init!, /session\.json is written/);
  const variables = readFileSync(file(".env"), "utf8");
  const restart = async (code: string, more: string) => {
    writeFileSync(file("server.js"), code);
    writeFileSync(file(".env"), variables.replace("redis://localhost:6379", redis.url));
    appendFileSync(file(".env"), more);
    for (const port of ports) {
      await stop(port);
      for (const other of ports) if (running.has(other)) await visit(other);
      await start(port, folder);
    }
    for (const port of ports) await visit(port);
  };
  const line = 'const sessions = createSessions(await fromConfig("session.json"));\n';
  assert.ok(app.includes(line));
  const both = app.replace(line, () => moving);
  await restart(both, "PHASE=prepare\n");
  await run(again!, /✓ redis-persistence/);
  await restart(both, "PHASE=move\n");
  let isMoving = true;
  const users = (async () => {
    while (isMoving) for (const port of ports) await visit(port);
  })();
  await run(migrate!, /0 left in the old one/);
  isMoving = false;
  await users;
  await restart(app, "");
  await run(stats!, /^1 session in session\.json/);
});

/** An empty project with the packages of this repository. */
function makeProject(): string {
  const folder = join(tempDir("getting-started"), "a shop");
  const library = join(folder, "node_modules/coatcheck");
  mkdirSync(library, { recursive: true });
  symlinkSync(join(root, "node_modules/express"), join(folder, "node_modules/express"));
  const entries = {
    ".": "index",
    "./config": "config/index",
    "./express": "adapters/express",
    "./compose": "compose/index",
  };
  const exports: Record<string, string> = {};
  for (const [i, [name, source]] of Object.entries(entries).entries()) {
    exports[name] = `./${i}.js`;
    writeFileSync(join(library, `${i}.js`), `export * from ${JSON.stringify(join(root, "src", `${source}.ts`))};`);
  }
  writeFileSync(join(library, "package.json"), JSON.stringify({ name: "coatcheck", type: "module", exports }));
  const manifest = { type: "module", dependencies: { coatcheck: "*", express: "*" } };
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
  return folder;
}

async function start(port: number, cwd: string): Promise<void> {
  const child = spawn(process.execPath, ["--env-file=.env", "server.js"], {
    cwd,
    env: { PATH: process.env.PATH, PORT: String(port) },
    stdio: ["ignore", "ignore", "pipe"],
  });
  running.set(port, child);
  let output = "";
  child.stderr.on("data", (data) => (output += data));
  await waitFor("the server", async () => {
    assert.equal(child.exitCode, null, output);
    return ask(port, "/ready").then(
      () => true,
      () => false,
    );
  });
}

/** One request on a connection of its own, since servers end between requests. */
async function ask(port: number, path: string, { body, cookie }: { body?: string; cookie?: string } = {}) {
  const headers = {
    ...(cookie !== undefined && { cookie }),
    ...(body !== undefined && { "content-type": "application/x-www-form-urlencoded" }),
  };
  const method = body === undefined ? "GET" : "POST";
  const sent = request({ host: "localhost", port, path, method, headers, agent: false }).end(body);
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  return { body: await readText(response), cookies: response.headers["set-cookie"] ?? [] };
}

async function stop(port: number): Promise<void> {
  const child = running.get(port)!;
  running.delete(port);
  const ended = once(child, "exit");
  child.kill();
  if (child.exitCode === null && child.signalCode === null) await ended;
}
