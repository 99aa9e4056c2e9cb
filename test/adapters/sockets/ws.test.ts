// Sessions of the package ws.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { WebSocketServer } from "ws";
import { type SessionSocket, session, type WsOptions } from "../../../src/adapters/ws.ts";
import { header, type SessionStore, type Sessions } from "../../../src/index.ts";
import { memory } from "../../../src/stores/memory/index.ts";
import type { WatchedStore } from "../../support/stores.ts";
import {
  type App,
  type Data,
  HANDSHAKE,
  openSocket,
  rawHandshake,
  sessionsWith,
  signedIn,
  stores,
  until,
  wsServer,
} from "./kit.ts";

for (const [kind, makeStore] of Object.entries(stores)) {
  describe(`ws, with a store ${kind}`, () => {
    let store: WatchedStore & SessionStore;
    /** Two servers. */
    let here: Sessions<Data>;
    let there: Sessions<Data>;
    let apps: App[];

    beforeEach(() => {
      store = makeStore();
      here = sessionsWith(store);
      there = sessionsWith(store);
      apps = [];
    });
    afterEach(async () => {
      for (const app of apps) await app.close();
      await here.close();
      await there.close();
    });

    async function serve(sessions = here, options: WsOptions<Data> = {}): Promise<App> {
      const app = await wsServer(sessions, options);
      apps.push(app);
      return app;
    }

    test("a socket has its user's session, and changes it", async () => {
      const { url } = await serve();
      const cookie = await signedIn(here, "ann");
      const client = await openSocket(url, cookie);
      assert.deepEqual(client.setCookies, []);
      assert.deepEqual(JSON.parse(await client.ask("data")), { user: "ann", n: 1 });
      assert.equal(await client.ask("add"), "2");
      const other = await there.open(cookie);
      assert.equal(other.data.n, 2);
      other.data.n = 10;
      await other.commit();
      await until(async () => JSON.parse(await client.ask("data")).n === 10);
    });

    test("a session that begins at the handshake gets its cookie with it, and is followed", async () => {
      const { url } = await serve(here, {
        accept(session) {
          session.data.n = 7;
          return true;
        },
      });
      const client = await openSocket(url);
      const cookie = client.setCookies[0]!.split(";")[0]!;
      assert.equal((await there.open(cookie)).data.n, 7);
      assert.equal(await client.ask("add"), "8");
      await (await there.open(cookie)).destroy();
      await until(() => client.closed);
    });

    test("accept refuses with 401, and what it wrote is dropped", async () => {
      const { url } = await serve(here, {
        accept(session) {
          if (session.owner !== undefined) return true;
          session.data.n = 7;
          return false;
        },
      });
      await assert.rejects(openSocket(url), { status: 401 });
      assert.deepEqual(store.calls, []);
      await openSocket(url, await signedIn(here, "ann"));
    });

    const ends: [string, (cookie: string, id: string) => unknown, string][] = [
      ["destroy", async (cookie) => (await there.open(cookie)).destroy(), "session ended"],
      ["revoke", async (_, id) => there.revoke(id), "session ended"],
      ["revokeAll", async () => there.revokeAll("ann"), "session ended"],
      ["regenerate", async (cookie) => (await there.open(cookie)).regenerate(), "session replaced"],
      ["a security stamp", async () => there.stamp("ann", "another password"), "session ended"],
      ["a limit of sessions", async () => signedIn(sessionsWith(store, { maxPerOwner: 1 }), "ann"), "session ended"],
    ];
    for (const [name, end, reason] of ends) {
      test(`${name} on another server closes every tab of it with 1008, and nobody else's`, async () => {
        const one = await serve(here);
        const other = await serve(there);
        const cookie = await signedIn(here, "ann");
        const { id } = await here.open(cookie);
        const tabs = await Promise.all([one, one, other].map(({ url }) => openSocket(url, cookie)));
        const stranger = await openSocket(one.url, await signedIn(here, "bob"));
        const anonymous = await openSocket(one.url);
        await end(cookie, id);
        await until(() => tabs.every(({ closed }) => closed));
        for (const { closed } of tabs) assert.deepEqual([closed!.code, closed!.reason], [1008, reason]);
        await sleep(700);
        assert.equal(stranger.closed, undefined);
        assert.equal(anonymous.closed, undefined);
        assert.deepEqual([one.wss.clients.size, other.wss.clients.size], [2, 0]);
      });
    }

    test("a login in another tab replaces the session: its sockets connect again", async () => {
      const { url } = await serve();
      const guest = await signedIn(here, "guest");
      const tab = await openSocket(url, guest);
      const login = await there.open(guest);
      login.owner = "ann";
      login.data.user = "ann";
      await login.regenerate();
      const cookie = (await login.commit())[0]!.split(";")[0]!;
      await until(() => tab.closed);
      assert.equal(tab.closed!.reason, "session replaced");
      assert.equal(JSON.parse(await (await openSocket(url, cookie)).ask("data")).user, "ann");
    });

    test("an idle session closes its sockets, unless keepAlive keeps it", async () => {
      const short = sessionsWith(store, { idleTimeout: "1s" });
      const { url } = await serve(short, { keepAlive: (request) => request.url === "/alive" });
      const client = await openSocket(`${url}/quiet`, await signedIn(here, "ann"));
      const kept = await openSocket(`${url}/alive`, await signedIn(short, "ann"));
      const quiet = await openSocket(`${url}/quiet`, await signedIn(short, "bob"));
      await until(() => quiet.closed);
      assert.deepEqual([quiet.closed!.code, quiet.closed!.reason], [1008, "session expired"]);
      await sleep(1500);
      assert.equal(kept.closed, undefined);
      // A client that answers no ping has vanished.
      kept.socket.pong = () => {};
      await until(() => kept.closed);
      client.socket.terminate();
      await short.close();
    });

    test("messages keep their user logged in, without extend: false", async () => {
      const short = sessionsWith(store, { idleTimeout: "1s" });
      const { url } = await serve(short);
      const client = await openSocket(url, await signedIn(short, "ann"));
      for (let i = 0; i < 8; i++) {
        await sleep(300);
        await client.ask("add");
      }
      assert.equal(client.closed, undefined);
      await until(() => client.closed);
      await short.close();
    });

    test("no message is handled after the end, also of a client that does not answer the closing", async () => {
      const { url, wss } = await serve();
      const cookie = await signedIn(here, "ann");
      let handled = 0;
      wss.on("connection", (socket) => socket.on("message", () => handled++));
      const socket = await rawHandshake(url, [...HANDSHAKE, `Cookie: ${cookie}`]);
      await until(() => wss.clients.size === 1);
      const frame = Buffer.from([0x81, 0x84, 0, 0, 0, 0, 0x64, 0x61, 0x74, 0x61]); // "data"
      socket.write(frame);
      await until(() => handled === 1);
      const [client] = wss.clients;
      const { session } = client as unknown as SessionSocket<Data>;
      await there.revokeAll("ann");
      await until(() => session.ended);
      for (let i = 0; i < 5; i++) socket.write(frame);
      await sleep(100);
      assert.equal(handled, 1);
      await until(() => wss.clients.size === 0); // ws itself would wait for half a minute
      socket.destroy();
    });

    test("each cookie of a handshake has a line of its own", async () => {
      const { cached } = await import("../../../src/compose/index.ts");
      const near = sessionsWith(cached(store, { maxAge: "5s" }));
      const { url } = await serve(near, {
        async accept(session) {
          session.data.n = 1;
          await session.save();
          session.data.n = 2;
          return true;
        },
      });
      const client = await openSocket(url);
      assert.equal(client.setCookies.length, 2);
      assert.match(client.setCookies[0]!, /^sid=/);
      assert.match(client.setCookies[1]!, /^sid-seen\d=/);
      await near.close();
    });

    test("clients without cookies send their ticket in a header", async () => {
      const api = sessionsWith(store, { transport: header("x-session") });
      const { url } = await serve(api, {
        accept(session) {
          session.update("n", (n = 0) => n + 1);
          return true;
        },
      });
      const client = await openSocket(url, undefined, { "x-session": "new" });
      assert.deepEqual(client.setCookies, []);
      const ticket = client.headers["x-session"] as string;
      const again = await openSocket(url, undefined, { "x-session": ticket });
      assert.equal(JSON.parse(await again.ask("data")).n, 2);
      await api.close();
    });

    test("mode none opens no session", async () => {
      const { url, wss } = await serve(here, { mode: "none" });
      const cookie = await signedIn(here, "ann");
      store.calls.length = 0;
      await openSocket(url, cookie);
      assert.equal([...wss.clients][0]!.session, undefined);
      assert.deepEqual(store.calls, []);
    });

    describe("garbage", () => {
      test("forged cookies cost no store call", async () => {
        const { url } = await serve();
        const cookie = await signedIn(here, "ann");
        store.calls.length = 0;
        const forged = `${cookie.slice(0, -1)}${cookie.endsWith("A") ? "B" : "A"}`;
        for (const bad of [
          forged,
          "sid=",
          "sid=x",
          `sid=${"A".repeat(40)}`,
          "\u00ff=;;=sid=;sid",
          `x=${"y".repeat(7000)}`,
        ]) {
          const client = await openSocket(url, bad);
          assert.deepEqual(client.setCookies, []);
          client.socket.terminate();
        }
        await sleep(600);
        assert.deepEqual(store.calls, []);
      });

      test("a store that is down is answered 503, and the server goes on", async () => {
        const { url } = await serve();
        const cookie = await signedIn(here, "ann");
        const failing = await serve(here, {
          accept(session) {
            session.data.n = 5;
            return true;
          },
        });
        store.before = () => {
          throw new Error("down");
        };
        const refusal = await openSocket(url, cookie).catch((error) => error);
        assert.deepEqual([refusal.status, refusal.headers["retry-after"]], [503, "1"]);
        // Also when it fails at the commit.
        assert.equal((await openSocket(failing.url).catch((error) => error)).status, 503);
        assert.equal((await openSocket(url)).closed, undefined, "who has no cookie needs no store");
        store.before = undefined;
        await until(() => openSocket(url, cookie).catch(() => undefined));
      });

      test("what is no handshake of a WebSocket is refused", async () => {
        const { url, wss } = await serve();
        const cookie = await signedIn(here, "ann");
        for (const lines of [
          HANDSHAKE.filter((line) => !line.startsWith("Sec-WebSocket-Key")),
          HANDSHAKE.map((line) => line.replace("Version: 13", "Version: 1")),
          HANDSHAKE.map((line) => line.replace("websocket", "h2c")),
          HANDSHAKE.map((line) => line.replace("GET", "POST")),
        ]) {
          const socket = await rawHandshake(url, [...lines, `Cookie: ${cookie}`]);
          const [answer] = await new Promise<Buffer[]>((resolve) => socket.once("data", (data) => resolve([data])));
          assert.match(String(answer), /^HTTP\/1.1 4\d\d /);
          await until(() => socket.destroyed || socket.readyState === "closed" || socket.readableEnded);
        }
        assert.equal(wss.clients.size, 0);
      });

      for (const step of ["read", "update"] as const) {
        for (const mode of ["merge", "exclusive"] as const) {
          test(`a client that leaves during ${step}, in mode ${mode}, leaves nothing`, async () => {
            const { url, wss, server } = await serve(here, {
              mode,
              accept(session) {
                session.update("n", (n = 0) => n + 1);
                return true;
              },
            });
            const cookie = await signedIn(here, "ann");
            let waiting = 0;
            store.before = async (operation) => {
              if (operation !== step) return;
              waiting++;
              await sleep(150);
            };
            for (const leave of ["destroy", "resetAndDestroy", "end"] as const) {
              waiting = 0;
              const socket = await rawHandshake(url, [...HANDSHAKE, `Cookie: ${cookie}`]);
              await until(() => waiting > 0);
              socket[leave]();
              await until(async () => wss.clients.size === 0 && (await connectionsOf(server)) === 0);
            }
            store.before = undefined;
            // It has left no lock.
            await (await there.open(cookie, { mode: "exclusive" })).commit();
            await sleep(1100);
            const { length } = store.calls;
            await sleep(700);
            assert.equal(store.calls.length, length);
          });
        }
      }

      test("an accept that throws is answered 500, or with the error's status", async (t) => {
        t.mock.method(console, "error", () => {});
        const { url } = await serve(here, {
          accept: (_session, request) => {
            throw Object.assign(new Error("of the application"), request.url === "/403" && { status: 403 });
          },
        });
        await assert.rejects(openSocket(url), { status: 500 });
        await assert.rejects(openSocket(`${url}/403`), { status: 403 });
      });
    });
  });
}

function connectionsOf(server: App["server"]): Promise<number> {
  return new Promise((resolve, reject) =>
    server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
  );
}

test("options are checked", () => {
  const sessions = sessionsWith(memory());
  assert.throws(() => session(sessions, { keepalive: true } as never), /keepAlive/);
  assert.throws(() => session(sessions, { keepAlive: "yes" } as never), /keepAlive/);
  assert.throws(() => session(sessions, { accept: true } as never), /accept/);
  const server = new WebSocketServer({ port: 0 });
  assert.throws(() => session(sessions)(server), /noServer/);
  server.close();
});
