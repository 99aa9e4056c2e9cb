// coatcheck console: who gets in, and what it shows.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { request } from "node:http";
import { join } from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";
import { report } from "../../src/console/index.ts";
import { createSessions } from "../../src/index.ts";
import { file } from "../../src/stores/file/index.ts";
import { type Ask, at, send, Viewer } from "../console/viewer.ts";
import { tempDir, waitFor } from "../servers/process.ts";
import { beginSessions, coatcheck, coatcheckHere, program, SECRET } from "./cli.ts";

const cwd = tempDir("cli-console");
const path = join(cwd, "sessions");

before(async () => {
  const store = file({ path });
  await beginSessions(store, 3);
  await store.close();
});

/** Starts the command. Gives the address that it prints, and what ends it. */
async function start(t: TestContext, args: string[] = []) {
  const child = spawn(process.execPath, [program, "console", "--store", `file:${path}`, ...args], {
    cwd,
    env: { PATH: process.env.PATH, SESSION_SECRET: SECRET },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = once(child, "exit");
  t.after(() => child.kill("SIGKILL"));
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (data) => (stdout += data));
  child.stderr.on("data", (data) => (stderr += data));
  await waitFor(
    "the address",
    () => {
      assert.equal(child.exitCode, null, stderr);
      return stdout.includes("\n");
    },
    120_000,
  );
  const url = new URL(/http:\S+/.exec(stdout)![0]);
  const stop = async () => {
    child.kill("SIGTERM");
    return ((await ended) as [number])[0];
  };
  return { url, origin: `${url.origin}/`, stop };
}

/** Opens the printed address, as the browser that gets in. */
async function enter({ url, origin }: { url: URL; origin: string }): Promise<Ask> {
  const answer = await fetch(url, { redirect: "manual" });
  assert.deepEqual([answer.status, answer.headers.get("location")], [303, "./"]);
  const [cookie] = answer.headers.getSetCookie();
  assert.match(cookie!, /^coatcheck-console-\d+=[\w-]{32}; Path=\/; HttpOnly; SameSite=Strict$/);
  assert.doesNotMatch(cookie!, new RegExp(url.searchParams.get("token")!));
  return at(origin, { cookie: cookie!.split(";")[0]! });
}

describe("coatcheck console", () => {
  const servers = createSessions({ store: file({ path }), secret: SECRET, sweepInterval: false });
  const reported = report(servers, { name: "web-1" });
  after(() => servers.close());

  test("opens once for one browser, which sees the servers of the farm, and ends sessions", async (t) => {
    assert.ok(reported);
    const running = await start(t);
    assert.equal((await at(running.origin)("")).status, 403);
    const ask = await enter(running);
    const again = await fetch(running.url, { redirect: "manual" });
    assert.equal(again.status, 403);
    const viewer = await Viewer.open(ask);
    const isThere = (state: Viewer["states"][0]) => state.servers.length === 1 && state.alive !== undefined;
    const { servers, sender, alive } = await viewer.until("the server", isThere);
    // The command is no server of the farm.
    assert.equal(servers[0]!.name, "web-1");
    assert.notEqual(servers[0]!.id, sender);
    assert.equal(alive!.count, 3);
    assert.deepEqual(await (await send(ask, "end", { owner: "user1" })).json(), { ended: 1 });
    assert.deepEqual(await (await send(ask, "find", { owner: "user1" })).json(), { none: true });
    assert.equal(await running.stop(), 0);
    await viewer.end();
  });

  test("turns away another token, another cookie, and the names of other sites", async (t) => {
    const { url, origin } = await start(t);
    const wrong = new URL(url);
    wrong.searchParams.set("token", "A".repeat(32));
    assert.equal((await fetch(wrong, { redirect: "manual" })).status, 403);
    const name = `coatcheck-console-${url.port}`;
    for (const cookie of [`${name}=`, `${name}=${url.searchParams.get("token")}`, `${name}=${"A".repeat(32)}`]) {
      for (const path of ["", "live", "assets/a.js"]) assert.equal((await at(origin, { cookie })(path)).status, 403);
    }
    const ask = await enter({ url, origin });
    assert.notEqual((await ask("")).status, 403);
    for (const path of ["//", "/?token=", "/?token=%", "http://[", "*"]) assert.equal(await statusFor(url, url.host, path), 403, path); // biome-ignore format: one line
    for (const host of [
      "evil.example",
      `evil.example:${url.port}`,
      "127.0.0.1.evil.example",
      "localhost.evil.example",
    ]) {
      assert.equal(await statusFor(url, host), 421, host);
    }
    for (const host of [url.host, `localhost:${url.port}`, "localhost:8080", "[::1]:8080"]) {
      assert.equal(await statusFor(url, host), 403, host);
    }
  });

  test("serves this machine alone", async () => {
    for (const host of ["", "0.0.0.0", "::", "shop.example"]) {
      const { code, stderr } = await coatcheckHere(["console", "--store", `file:${path}`, "--host", host]);
      assert.equal(code, 2, stderr);
      assert.match(stderr, /--host is ".*": the command serves this machine alone/);
    }
  });

  test("needs the secret", async () => {
    const { code, stderr } = await coatcheck(["console", "--store", `file:${path}`], { cwd });
    assert.equal(code, 1);
    assert.match(stderr, /the console needs the secret: set SESSION_SECRET/);
  });
});

/** The status of a request without a cookie under this name of the host. */
async function statusFor(url: URL, host: string, path = "/"): Promise<number> {
  const sent = request({ host: url.hostname, port: url.port, path, headers: { host }, agent: false }).end();
  const [answer] = await once(sent, "response");
  answer.resume();
  return answer.statusCode;
}
