// Sessions of each of the other packages: cookies of the real package become sessions, with all that is in them.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createSessions, type SessionEvents } from "../../src/index.ts";
import type { LegacyOptions } from "../../src/legacy/index.ts";
import { all } from "../support/set-up.ts";
import { SECRET, watched } from "../support/stores.ts";
import { Client, listen, newListener, type OldPackage, packages, type Shopper, stores } from "./packages.ts";

/** An old server and a new one, which share what servers of a farm share. */
async function both(old: OldPackage, options: LegacyOptions = {}) {
  const shared = stores();
  const store = watched();
  const sessions = createSessions<Shopper>({
    store,
    secret: SECRET,
    sweepInterval: false,
    cookie: { secure: false },
    legacy: [old.source(shared, options)],
  });
  const starts: SessionEvents["start"][] = [];
  sessions.on("start", (event) => starts.push(event));
  const before = await listen(await old.listener(shared));
  const after = await listen(newListener(sessions));
  return {
    ...shared,
    store,
    sessions,
    starts,
    old: before.port,
    new: after.port,
    async [Symbol.asyncDispose]() {
      await Promise.all([before.close(), after.close()]);
      await sessions.close();
    },
  };
}

/** A user of the old server, with a cart. */
async function shopper(port: number): Promise<Client> {
  const client = new Client();
  await client.get(port, "/add?item=first");
  await client.get(port, "/login?user=ann");
  await client.get(port, "/add?item=h%C3%A9");
  return client;
}

const ALL = { cart: ["first", "hé"], user: "ann" };

for (const [name, old] of Object.entries(packages)) {
  describe(name, () => {
    test("its cookie and the session's own can't have the same name", () => {
      const source = old.source(stores());
      const start = (name: string) =>
        createSessions({ secret: SECRET, cookie: { name, secure: false }, legacy: [source] });
      assert.throws(
        () => start(old.cookieName),
        ({ message }: Error) =>
          message.includes(`"cookie.name" is "${old.cookieName}": the cookie of ${source.package} has`),
      );
      for (const other of [`${old.cookieName}2`, `my${old.cookieName}`]) start(other).close();
    });

    test("its cookie becomes a session with all that is in it, and goes", async () => {
      await using servers = await both(old);
      const client = await shopper(servers.old);
      assert.deepEqual(await client.get(servers.old), ALL);
      assert.deepEqual(await client.get(servers.new), ALL);
      assert.deepEqual([...client.jar.keys()], ["sid"]);
      assert.equal(servers.records.size, 0);
      assert.deepEqual(await client.get(servers.new, "/add?item=third"), { cart: [...ALL.cart, "third"], user: "ann" });
      assert.equal(servers.starts.length, 1);
      const [listed] = await all(servers.sessions.list({ owner: "ann" }));
      assert.deepEqual(listed?.data.cart, [...ALL.cart, "third"]);
      assert.equal(listed?.authenticatedAt, undefined); // the move authenticates nobody
    });

    test("a former cookie, shown again, leads to the same session, and to none when that has ended", async () => {
      await using servers = await both(old);
      const client = await shopper(servers.old);
      const former = new Map(client.jar);
      await client.get(servers.new, "/add?item=third");
      const again = new Client();
      again.keep([...former].map(([name, value]) => `${name}=${value}`));
      assert.deepEqual((await again.get(servers.new)).cart, [...ALL.cart, "third"]);
      await client.get(servers.new, "/logout");
      const after = new Client();
      after.keep([...former].map(([name, value]) => `${name}=${value}`));
      assert.deepEqual(await after.get(servers.new), {});
      assert.deepEqual(await again.get(servers.new), {});
      assert.equal(servers.starts.length, 1);
    });

    test("no other spelling of a former cookie brings its session back", async () => {
      await using servers = await both(old);
      const client = await shopper(servers.old);
      const former = client.header;
      const real = client.jar.get(old.cookieName)!;
      await client.get(servers.new);
      await client.get(servers.new, "/logout");
      for (const spelling of spellings(real)) {
        const session = await servers.sessions.open(former.replace(real, () => spelling));
        assert.deepEqual({ ...session.data }, {}, spelling);
      }
      assert.equal(servers.starts.length, 1);
    });

    test("ten requests at the same moment make one session", async () => {
      await using servers = await both(old);
      const client = await shopper(servers.old);
      const header = client.header;
      const tabs = Array.from({ length: 10 }, () => new Client());
      await Promise.all(
        tabs.map((tab) => {
          tab.keep(header.split("; "));
          return tab.get(servers.new);
        }),
      );
      assert.equal(new Set(tabs.map((tab) => tab.jar.get("sid"))).size, 1);
      assert.equal(servers.starts.length, 1);
    });

    test("what is forged or garbage opens nothing, and asks no store", async () => {
      await using servers = await both(old);
      const client = await shopper(servers.old);
      servers.store.calls.length = 0;
      const real = client.jar.get(old.cookieName)!;
      const reads = servers.records.size;
      for (const value of [
        "",
        "x",
        "s%3Ax.y",
        "%",
        "=".repeat(3),
        "a.b",
        flipped(real),
        real.slice(0, -6),
        "{}",
        "Fe26.2*",
      ]) {
        const forger = new Client();
        for (const [name, value] of client.jar) forger.jar.set(name, value);
        forger.jar.set(old.cookieName, value);
        assert.deepEqual(await forger.get(servers.new), {}, value);
        assert.equal(forger.jar.has("sid"), false);
      }
      assert.deepEqual(servers.store.calls, []);
      assert.equal(servers.records.size, reads);
    });

    test("with keep, both servers work with the same data, there and back", async () => {
      await using servers = await both(old, { keep: "1d" });
      const client = await shopper(servers.old);
      const items = ["first", "hé"];
      for (let i = 0; i < 12; i++) {
        const port = i % 3 === 0 ? servers.old : servers.new;
        items.push(`item ${i}`);
        assert.deepEqual(await client.get(port, `/add?item=item%20${i}`), { cart: items, user: "ann" }, `request ${i}`);
      }
      assert.deepEqual((await client.get(servers.new, "/view")).views, 1);
      assert.deepEqual((await client.get(servers.old, "/view")).views, 2);
      assert.deepEqual(await client.get(servers.new), { cart: items, views: 2, user: "ann" });
      assert.equal(servers.starts.length, 1);
    });

    test("with keep, requests at the same moment on both servers lose nothing that was written here", async (t) => {
      await using servers = await both(old, { keep: "1d" });
      const client = await shopper(servers.old);
      await client.get(servers.new);
      const marks: { here: string[]; there: string[] } = { here: [], there: [] };
      for (let round = 0; round < (old.stored ? 20 : 4); round++) {
        const name = (n: number) => `${round}-${n}`;
        await Promise.all(
          [0, 1, 2, 3].map((n) => {
            marks.here.push(`mark-${name(n)}`);
            return client.get(servers.new, `/mark?name=${name(n)}`);
          }),
        );
        if (!old.stored) continue; // a cookie has room for the last writer only
        marks.there.push(`mark-${name(4)}`);
        marks.here.push(`mark-${name(5)}`);
        await Promise.all([
          client.get(servers.old, `/mark?name=${name(4)}`),
          client.get(servers.new, `/mark?name=${name(5)}`),
        ]);
      }
      const seen = new Set((await client.get(servers.new)).marks as string[]);
      assert.deepEqual(
        marks.here.filter((mark) => !seen.has(mark)),
        [],
      );
      const kept = marks.there.filter((mark) => seen.has(mark)).length;
      t.diagnostic(`of ${marks.there.length} that were written there at the same moment, ${kept} are here`);
      assert.equal((await client.get(servers.old)).user, "ann");
      assert.equal(servers.starts.length, 1);
    });

    test("with keep, a session that begins here is known there", async () => {
      await using servers = await both(old, { keep: "1d" });
      const client = new Client();
      await client.get(servers.new, "/add?item=a");
      assert.deepEqual(await client.get(servers.old, "/add?item=b"), { cart: ["a", "b"] });
      await client.get(servers.new, "/login?user=ann");
      assert.deepEqual(await client.get(servers.old, "/add?item=c"), { cart: ["a", "b", "c"], user: "ann" });
      assert.deepEqual(await client.get(servers.new), { cart: ["a", "b", "c"], user: "ann" });
    });

    test("with keep, a login on an old server holds here", async () => {
      await using servers = await both(old, { keep: "1d" });
      const client = new Client();
      await client.get(servers.old, "/add?item=a");
      await client.get(servers.new, "/add?item=b");
      await client.get(servers.old, "/login?user=ann");
      assert.deepEqual(await client.get(servers.new), { cart: ["a", "b"], user: "ann" });
      assert.equal((await all(servers.sessions.list({ owner: "ann" }))).length, 1);
      assert.equal(await servers.sessions.count(), 1);
    });

    for (const [here, there] of [
      ["new", "old"],
      ["old", "new"],
    ] as const) {
      test(`with keep, a logout on the ${here} server holds on the ${there} one`, async () => {
        await using servers = await both(old, { keep: "1d" });
        const client = await shopper(servers.old);
        await client.get(servers.new, "/view");
        const late = new Client();
        for (const [name, value] of client.jar) late.jar.set(name, value);
        await client.get(servers[here], "/logout");
        assert.deepEqual(await client.get(servers[there]), {});
        assert.deepEqual(await client.get(servers[here]), {});
        assert.deepEqual(await late.get(servers.new), {});
        assert.equal(servers.records.size, 0);
      });
    }
  });
}

/** Texts that a careless decoder takes for the same: other spare bits, more or less padding, a suffix, percent-encoding. */
function spellings(text: string): string[] {
  const all = [`"${text}"`, `${text}=`, `${text}~`, `${text}~2`, `${text}~2~x`, `${text}*`, `${text}.`, `${text};x`];
  all.push(text.replace(/~2$/, ""), text.replace(/=+$/, ""), text.replaceAll("%3D", ""), text.replaceAll("%3D", "="));
  all.push(text.replaceAll("-", "%2D"), text.replaceAll("_", "%5F"), text.replaceAll("-", "+").replaceAll("_", "/"));
  const ends = [...text.matchAll(/[\w+/-](?=$|[^\w+/-])/g)].map(({ index }) => index);
  for (const at of ends) {
    for (const char of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") {
      all.push(text.slice(0, at) + char + text.slice(at + 1));
    }
  }
  return all;
}

/** The same with another character in the middle. */
function flipped(text: string): string {
  const at = Math.floor(text.length / 2);
  return text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1);
}
