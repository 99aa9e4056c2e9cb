// The console on every store that can list: an owner's sessions, ending one, and what the console keeps beside sessions.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { environments } from "../../demo/stores.ts";
import { cached, failover, migrating, partitioned } from "../../src/compose/index.ts";
import { console as webConsole } from "../../src/console/index.ts";
import type { Found } from "../../src/console/protocol.ts";
import { createSessions, type SessionStore, type Sessions } from "../../src/index.ts";
import { file } from "../../src/stores/file/index.ts";
import { isSessionKey } from "../../src/util/side-records.ts";
import { coatcheckHere, SECRET } from "../cli/cli.ts";
import { tempDir } from "../servers/process.ts";
import { login } from "../support/login.ts";
import { all, type Data } from "../support/set-up.ts";
import { watched } from "../support/stores.ts";
import { type Ask, send, Viewer } from "./viewer.ts";

interface Place {
  /** What the console calls the store. */
  name: string;
  prepare?: () => Promise<{ address: string; stop?: () => Promise<unknown> }>;
  open(address: string): SessionStore;
}

const named = (name: string) => ({ ...watched(), name });
const PLACES: Record<string, Place> = {
  "cached()": { name: "redis", open: () => cached(named("redis"), { maxAge: "1h" }) },
  "failover()": { name: "redis + postgres", open: () => failover({ primary: named("redis"), standby: named("postgres") }) }, // biome-ignore format: one line
  "migrating()": { name: "file + redis", open: () => migrating({ from: named("file"), to: named("redis"), phase: "move" }) }, // biome-ignore format: one line
  "partitioned()": { name: "redis", open: () => partitioned(["a", "b", "c"].map((name) => ({ name, store: named("redis") }))) }, // biome-ignore format: one line
  "a store of one's own": { name: "store", open: () => watched() },
};
for (const [name, { prepare, open }] of Object.entries(environments)) {
  // With STORES=all, every store of the demo.
  if (process.env.STORES !== "all" && !["memory", "file", "redis", "postgres", "sqlite"].includes(name)) continue;
  PLACES[name] = { name, prepare, open: (address) => open(address).store! };
}

for (const [what, { name, prepare, open }] of Object.entries(PLACES)) {
  describe(what, () => {
    let sessions: Sessions<Data>;
    let store: SessionStore;
    let stop: (() => Promise<unknown>) | undefined;
    let viewer: Viewer;
    let ask: Ask;

    before(async () => {
      const prepared = await (prepare?.() ?? { address: "" });
      ({ stop } = { stop: undefined, ...prepared });
      store = open(prepared.address);
      sessions = createSessions<Data>({ store, secret: SECRET, sweepInterval: false, storeTimeout: "30s" });
      const web = webConsole(sessions, { authorize: () => true, name: "the server" });
      ask = (path, init) => web.fetch(new Request(`http://console.test/${path}`, init));
      viewer = await Viewer.open(ask);
    });
    after(async () => {
      viewer?.leave();
      await sessions?.close();
      await stop?.();
    });

    test("an owner's sessions are found, and one of them is ended", async () => {
      const browsers = await Promise.all([1, 2, 3].map((n) => login(sessions, "ann", { cart: n })));
      await login(sessions, "bob", { cart: 4 });
      const found = (await (await send(ask, "find", { owner: "ann" })).json()) as Extract<Found, { sessions: unknown }>;
      assert.equal(found.sessions.length, 3);
      assert.deepEqual(
        found.sessions.map(({ owner, keys }) => [owner, keys]),
        [1, 2, 3].map(() => ["ann", ["cart"]]),
      );
      const { id } = await browsers[0]!.open("readonly");
      assert.deepEqual(await (await send(ask, "end", { id })).json(), { ended: 1 });
      assert.equal((await browsers[0]!.open("readonly")).isNew, true);
      assert.equal((await browsers[1]!.open("readonly")).isNew, false);
    });

    test("the server and the store are shown, and the sessions alive are counted", async () => {
      const state = await viewer.until("the server and the count", (state) => state.servers.length === 1 && state.alive?.count === 3); // biome-ignore format: one line
      assert.deepEqual([state.servers[0]!.name, state.servers[0]!.status], ["the server", "up"]);
      assert.deepEqual([state.store.name, state.store.status, state.store.canList], [name, "up", true]);
    });

    test("what the console keeps is no session: not for count, list, find, revoke, nor sweep", async () => {
      const keys = (await all(store.list!({}))).map(({ key }) => key);
      const own = keys.filter((key) => !isSessionKey(key));
      assert.deepEqual(own.map((key) => key.slice(24)).sort(), ["-console", "-server"]);
      assert.equal(await sessions.count(), 3);
      assert.equal((await all(sessions.list())).length, 3);
      for (const key of own) {
        assert.equal(await sessions.find(key), undefined);
        assert.equal(await sessions.revoke(key), false);
        assert.ok(await store.read(key));
      }
      if (store.claimExpired !== undefined) {
        // Expired, as that of a server that is gone. Memory alone removes it before that.
        const server = own.find((key) => key.endsWith("-server"))!;
        await store.create(server.replace(/^.{4}/, "gone"), { value: Buffer.from("{}"), expiresAt: Date.now() + 1 });
        await new Promise((resolve) => setTimeout(resolve, 50));
        assert.equal(await sessions.sweep(), 0);
      }
    });
  });
}

describe("the command", () => {
  test("stats, list, rotate-secrets and migrate see sessions only", async (t) => {
    const [from, to] = [join(tempDir("console-from"), "sessions"), join(tempDir("console-to"), "sessions")];
    const sessions = createSessions<Data>({ store: file({ path: from }), secret: SECRET, sweepInterval: false });
    t.after(() => sessions.close());
    const web = webConsole(sessions, { authorize: () => true });
    await login(sessions, "ann", {});
    const ask: Ask = (path, init) => web.fetch(new Request(`http://console.test/${path}`, init));
    const viewer = await Viewer.open(ask);
    await viewer.until("the count", ({ alive }) => alive?.count === 1);
    viewer.leave();
    const env = { SESSION_SECRET: SECRET };
    const run = async (...args: string[]) => (await coatcheckHere(args, env)).stdout;
    assert.match(await run("stats", "--store", `file:${from}`), /^1 session in /);
    assert.equal((JSON.parse(await run("list", "--store", `file:${from}`, "--json")) as []).length, 1);
    assert.match(await run("rotate-secrets", "--store", `file:${from}`), /it seals\) +1\n/);
    await web.close();
    await run("migrate", "--from", `file:${from}`, "--to", `file:${to}`);
    assert.match(await run("stats", "--store", `file:${to}`), /^1 session in /);
  });
});
