// Sessions of Socket.IO, over each of its transports.

import assert from "node:assert/strict";
import { createServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Server, type Socket as ServerSocket } from "socket.io";
import { type Socket as ClientSocket, io as connect } from "socket.io-client";
import { type SocketIoOptions, session } from "../../../src/adapters/socket-io.ts";
import type { LiveSession, SessionStore, Sessions } from "../../../src/index.ts";
import { memory } from "../../../src/stores/memory/index.ts";
import type { WatchedStore } from "../../support/stores.ts";
import { type Data, HANDSHAKE, rawHandshake, sessionsWith, signedIn, stores, until } from "./kit.ts";

interface Events {
  data: (answer: (data: Data) => void) => void;
  add: (answer: (n: number | string) => void) => void;
}

interface App {
  io: Server<Events>;
  server: HttpServer;
  url: string;
  close(): Promise<void>;
}

interface Client {
  socket: ClientSocket;
  /** Undefined while it is connected. */
  reason: string | undefined;
  setCookies: string[];
  at: number;
}

const liveOf = (socket: unknown) => (socket as { session: LiveSession<Data> }).session;

function listen(socket: ServerSocket<Events>): void {
  socket.on("data", (answer) => answer({ ...liveOf(socket).data }));
  socket.on("add", async (answer) => {
    answer(
      await liveOf(socket)
        .use((session) => session.update("n", (n = 0) => n + 1))
        .catch(String),
    );
  });
}

async function serve(
  sessions: Sessions<Data>,
  options: SocketIoOptions<Data> = {},
  ioOptions: object = {},
): Promise<App> {
  const server = createServer();
  const io = new Server<Events>(server, { serveClient: false, ...ioOptions });
  session(sessions, options)(io);
  io.on("connection", listen);
  io.of("/news").on("connection", listen);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    io,
    server,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      await io.close();
      server.closeAllConnections();
    },
  };
}

const transports: [name: string, names: string[], kind: string][] = [
  ["polling", ["polling"], "that announces nothing"],
  ["websocket", ["websocket"], "that announces changes"],
  ["polling, then websocket", ["polling", "websocket"], "that announces nothing"],
];

for (const [transport, names, kind] of transports) {
  const makeStore = stores[kind]!;
  describe(`Socket.IO by ${transport}, with a store ${kind}`, () => {
    let store: WatchedStore & SessionStore;
    /** Two servers. */
    let here: Sessions<Data>;
    let there: Sessions<Data>;
    let apps: App[];
    let clients: ClientSocket[];

    beforeEach(() => {
      store = makeStore();
      here = sessionsWith(store);
      there = sessionsWith(store);
      apps = [];
      clients = [];
    });
    afterEach(async () => {
      for (const client of clients) client.close();
      for (const app of apps) await app.close();
      await here.close();
      await there.close();
    });

    async function start(...args: Parameters<typeof serve>): Promise<App> {
      const app = await serve(...args);
      apps.push(app);
      return app;
    }

    async function open(url: string, cookie?: string, options: object = {}): Promise<Client> {
      const extraHeaders = cookie === undefined ? {} : { cookie };
      const setCookies: string[] = [];
      const socket = connect(url, {
        transports: names,
        extraHeaders,
        forceNew: true,
        reconnection: false,
        ...options,
      });
      clients.push(socket);
      const client: Client = { socket, reason: undefined, setCookies, at: 0 };
      socket.on("disconnect", (reason) => {
        client.reason = reason;
        client.at = performance.now();
      });
      await new Promise<void>((resolve, reject) => {
        socket.on("connect", resolve);
        socket.on("connect_error", reject);
      });
      return client;
    }

    test("a socket has its user's session in every namespace, and changes it", async () => {
      const { url, io } = await start(here);
      io.of(/^\/room-/).on("connection", listen);
      const cookie = await signedIn(here, "ann");
      for (const namespace of ["/", "/news", "/room-1"]) {
        const { socket } = await open(url + namespace, cookie);
        assert.equal((await socket.emitWithAck("data")).user, "ann");
      }
      const { socket } = await open(url, cookie);
      assert.equal(await socket.emitWithAck("add"), 2);
      const other = await there.open(cookie);
      other.data.n = 10;
      await other.commit();
      await until(async () => (await socket.emitWithAck("data")).n === 10);
    });

    const ends: [string, (cookie: string) => unknown][] = [
      ["destroy", async (cookie) => (await there.open(cookie)).destroy()],
      ["revokeAll", async () => there.revokeAll("ann")],
      ["regenerate", async (cookie) => (await there.open(cookie)).regenerate()],
    ];
    for (const [name, end] of ends) {
      test(`${name} on another server disconnects its sockets, and nobody else's`, async () => {
        const one = await start(here);
        const other = await start(there);
        const cookie = await signedIn(here, "ann");
        const tabs = await Promise.all([`${one.url}/`, `${one.url}/news`, other.url].map((url) => open(url, cookie)));
        const stranger = await open(one.url, await signedIn(here, "bob"));
        const anonymous = await open(one.url);
        await end(cookie);
        await until(() => tabs.every(({ reason }) => reason));
        for (const { reason, socket } of tabs) {
          assert.equal(reason, "io server disconnect");
          assert.equal(socket.active, false, "it does not connect again by itself");
        }
        await sleep(700);
        assert.equal(stranger.reason, undefined);
        assert.equal(anonymous.reason, undefined);
        await until(() => one.io.engine.clientsCount === 2 && other.io.engine.clientsCount === 0);
      });
    }

    test("two namespaces of one connection end together", async () => {
      const { url, io } = await start(here);
      const cookie = await signedIn(here, "ann");
      const first = await open(url, cookie, { forceNew: true });
      const news = first.socket.io.socket("/news");
      let reason: string | undefined;
      news.on("disconnect", (why) => {
        reason = why;
      });
      await until(() => news.connected);
      assert.equal(io.engine.clientsCount, 1);
      await there.revokeAll("ann");
      await until(() => first.reason && reason);
      assert.deepEqual([first.reason, reason], ["io server disconnect", "io server disconnect"]);
    });

    test("accept refuses, and a store that is down is no login", async () => {
      const { url, io } = await start(here, { accept: ({ owner }) => owner !== undefined });
      await assert.rejects(open(url));
      const cookie = await signedIn(here, "ann");
      store.before = () => {
        throw new Error("down");
      };
      await assert.rejects(open(url, cookie));
      store.before = undefined;
      await until(() => open(url, cookie).catch(() => undefined));
      assert.equal(io.engine.clientsCount, 1);
    });

    test("an idle session ends its sockets, unless keepAlive keeps it", async () => {
      const short = sessionsWith(store, { idleTimeout: "1s" });
      const app = await start(short, { keepAlive: ({ headers }) => headers["x-alive"] === "yes" });
      const headers = async (user: string) => ({ cookie: await signedIn(short, user) });
      const kept = await open(app.url, "", { extraHeaders: { ...(await headers("ann")), "x-alive": "yes" } });
      const quiet = await open(app.url, "", { extraHeaders: await headers("bob") });
      await until(() => quiet.reason);
      await sleep(1500);
      assert.equal(kept.reason, undefined);
      await short.close();
    });

    test("a recovered connection has its session, and one whose session ended is not recovered as its user's", async () => {
      const { url, io } = await start(here, {}, { connectionStateRecovery: { maxDisconnectionDuration: 10_000 } });
      const cookie = await signedIn(here, "ann");
      const client = await open(url, cookie, { reconnection: true, reconnectionDelay: 20 });
      (io as unknown as Server).emit("hello", 1); // recovery needs an offset
      await sleep(50);
      let recovered: boolean | undefined;
      client.socket.on("connect", () => {
        recovered = client.socket.recovered;
      });
      client.socket.io.engine.close();
      await until(() => recovered !== undefined);
      assert.equal(recovered, true);
      assert.equal((await client.socket.emitWithAck("data")).user, "ann");
      recovered = undefined;
      await there.revokeAll("ann");
      await until(() => client.reason === "io server disconnect");
      client.socket.connect();
      await until(() => client.socket.connected);
      assert.deepEqual(await client.socket.emitWithAck("data"), {});
    });

    test("forged cookies cost no store call", async () => {
      const { url } = await start(here);
      const cookie = await signedIn(here, "ann");
      store.calls.length = 0;
      for (const bad of [`${cookie.slice(0, -1)}!`, "sid=x", `sid=${"A".repeat(40)}`]) await open(url, bad);
      await sleep(600);
      assert.deepEqual(store.calls, []);
    });

    test("connections that come and go leave nothing", async () => {
      const { url, io } = await start(here);
      const cookie = await signedIn(here, "ann");
      for (let round = 0; round < 5; round++) {
        const some = await Promise.all(Array.from({ length: 5 }, () => open(url, cookie)));
        for (const { socket } of some) socket.close();
      }
      await until(() => io.engine.clientsCount === 0);
      await sleep(1100);
      const { length } = store.calls;
      await sleep(700);
      assert.equal(store.calls.length, length);
    });
  });
}

describe("a handshake of Socket.IO", () => {
  let store: WatchedStore & SessionStore;
  let sessions: Sessions<Data>;
  let app: App;

  beforeEach(async () => {
    store = stores["that announces nothing"]!();
    sessions = sessionsWith(store);
    app = await serve(sessions, {
      async accept(session, { url }) {
        if (url!.includes("begin")) {
          session.data.n = 1;
          await session.save();
          session.data.n = 2;
        }
        return !url!.includes("refuse");
      },
    });
  });
  afterEach(async () => {
    await app.close();
    await sessions.close();
  });

  /** The head of the response to a handshake. */
  async function head(query: string, cookie = ""): Promise<string> {
    const isUpgrade = query.includes("websocket");
    const [, ...lines] = isUpgrade ? HANDSHAKE : HANDSHAKE.slice(0, 2);
    const first = `GET /socket.io/?EIO=4&${query} HTTP/1.1`;
    const socket = await rawHandshake(app.url, [first, ...lines, `Cookie: ${cookie}`]);
    const [data] = await new Promise<Buffer[]>((resolve) => socket.once("data", (data) => resolve([data])));
    socket.destroy();
    return String(data).split("\r\n\r\n")[0]!;
  }

  for (const transport of ["polling", "websocket"]) {
    test(`by ${transport} hands out a ticket`, async () => {
      const text = await head(`transport=${transport}&begin`);
      const cookie = /^set-cookie: (sid=[\w-]+)/im.exec(text)![1]!;
      assert.equal((await sessions.open(cookie)).data.n, 2);
    });

    test(`by ${transport} is refused with 401, and 503 if the store is down`, async () => {
      assert.match(await head(`transport=${transport}&refuse`), /^HTTP\/1.1 401 /);
      const cookie = await signedIn(sessions, "ann");
      store.before = () => {
        throw new Error("down");
      };
      const text = await head(`transport=${transport}`, cookie);
      assert.match(text, /^HTTP\/1.1 503 /);
      assert.match(text, /^retry-after: 1/im);
    });

    test(`by ${transport}: each cookie has a line of its own`, async () => {
      const { cached } = await import("../../../src/compose/index.ts");
      await app.close();
      const near = sessionsWith(cached(store, { maxAge: "5s" }));
      app = await serve(near, {
        async accept(session) {
          session.data.n = 1;
          await session.save();
          session.data.n = 2;
          return true;
        },
      });
      const text = await head(`transport=${transport}`);
      assert.equal([...text.matchAll(/^set-cookie: sid(-seen\d)?=[^,\r\n]*\r?$/gim)].length, 2, text);
      await near.close();
    });

    test(`by ${transport}: a client that leaves in the middle leaves nothing`, async () => {
      const cookie = await signedIn(sessions, "ann");
      let waiting = 0;
      store.before = async (operation) => {
        if (operation !== "read") return;
        waiting++;
        await sleep(150);
      };
      for (const leave of ["destroy", "resetAndDestroy"] as const) {
        waiting = 0;
        const [, ...lines] = transport === "websocket" ? HANDSHAKE : HANDSHAKE.slice(0, 2);
        const first = `GET /socket.io/?EIO=4&transport=${transport} HTTP/1.1`;
        const socket = await rawHandshake(app.url, [first, ...lines, `Cookie: ${cookie}`]);
        await until(() => waiting > 0);
        socket[leave]();
        await sleep(300);
      }
      if (transport === "websocket") assert.equal(app.io.engine.clientsCount, 0);
    });
  }
});

test("options are checked, and a server without an engine is refused", () => {
  const sessions = sessionsWith(memory());
  assert.throws(() => session(sessions, { keepalive: true } as never), /keepAlive/);
  assert.throws(() => session(sessions)(new Server()), /attach/);
});
