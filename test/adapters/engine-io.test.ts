// Sessions of Engine.IO, and so of Socket.IO: in the handshake, and while the connection lasts.

import assert from "node:assert/strict";
import { createServer, type IncomingMessage } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { afterEach, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Server as Engine } from "engine.io";
import { session as onExpress } from "../../src/adapters/express.ts";
import { createSessions, type Mode, type Session, type SessionStore, type Sessions } from "../../src/index.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { SECRET } from "../support/stores.ts";

interface Data {
  n: number;
  items: string[];
}
type Request = IncomingMessage & { session: Session<Data> };

const stores: Record<string, () => SessionStore> = {
  immediately: () => memory(),
  late: () => {
    const { sync: _, inProcess: __, ...rest } = memory();
    const update = async (...args: Parameters<typeof rest.update>) => {
      await sleep(5);
      return rest.update(...args);
    };
    const create = async (...args: Parameters<typeof rest.create>) => {
      await sleep(5);
      return rest.create(...args);
    };
    return { ...rest, create, update };
  },
};

for (const [speed, makeStore] of Object.entries(stores)) {
  describe(`Engine.IO, with a store that answers ${speed}`, () => {
    let sessions: Sessions<Data>;
    let engine: Engine;
    let url: string;
    let close: () => Promise<void>;
    /** The requests of connections that were made. */
    let connected: Request[];
    let clients: Socket[];
    const warnings: { code?: string }[] = [];
    const collect = (warning: object) => void warnings.push(warning);

    beforeEach(async () => {
      sessions = createSessions<Data>({
        store: makeStore(),
        secret: SECRET,
        cookie: { secure: false },
        sweepInterval: false,
      });
      const server = createServer();
      engine = new Engine();
      engine.attach(server);
      connected = [];
      clients = [];
      warnings.length = 0;
      process.on("warning", collect);
      engine.on("connection", (socket) => connected.push(socket.request as Request));
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      url = `127.0.0.1:${(server.address() as AddressInfo).port}`;
      close = async () => {
        for (const socket of clients) socket.destroy();
        engine.close();
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      };
    });
    afterEach(async () => {
      process.off("warning", collect);
      await close();
      await sessions.close();
    });

    function use(mode?: Mode, work?: (req: Request) => unknown): void {
      engine.use(onExpress(sessions, mode && { mode }) as never);
      engine.use(async (req: unknown, _res: unknown, next: () => void) => {
        await work?.(req as Request);
        next();
      });
    }

    /** Makes a WebSocket's handshake, and gives the head of the response. */
    async function handshake(cookie?: string): Promise<string> {
      const socket = connect(Number(url.split(":")[1]), "127.0.0.1");
      clients.push(socket);
      const lines = [
        "GET /engine.io/?EIO=4&transport=websocket HTTP/1.1",
        `Host: ${url}`,
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ...(cookie === undefined ? [] : [`Cookie: ${cookie}`]),
      ];
      socket.write(`${lines.join("\r\n")}\r\n\r\n`);
      const [head] = await new Promise<Buffer[]>((resolve) => socket.once("data", (data) => resolve([data])));
      for (let i = 0; i < 100 && connected.length === 0; i++) await sleep(5);
      return head!.toString("latin1").split("\r\n\r\n")[0]!;
    }

    async function begun(): Promise<string> {
      const session = await sessions.open(null);
      session.data.n = 1;
      session.data.items = [];
      return (await session.commit())[0]!.split(";")[0]!;
    }

    async function contents(cookie: string): Promise<object> {
      return { ...(await sessions.open(cookie)).data };
    }

    for (const mode of ["merge", "exclusive"] as const) {
      test(`mode ${mode}: a WebSocket's session is saved while the connection lasts, again and again`, async () => {
        use(mode);
        const cookie = await begun();
        assert.match(await handshake(cookie), /^HTTP\/1.1 101 /);
        const { session } = connected[0]!;
        session.data.n++;
        await session.save();
        const other = await sessions.open(cookie, { mode: "exclusive" }); // it is not locked by the connection
        other.data.items.push("theirs");
        await other.commit();
        await session.reload();
        session.data.items.push("mine");
        await session.save();
        assert.deepEqual(await contents(cookie), { n: 2, items: ["theirs", "mine"] });
      });
    }

    test("so is the session of a connection that begins by polling", async () => {
      use("merge");
      const cookie = await begun();
      const answer = await fetch(`http://${url}/engine.io/?EIO=4&transport=polling`, { headers: { cookie } });
      assert.equal(answer.status, 200);
      const { session } = connected[0]!;
      session.data.items.push("later");
      await session.save();
      assert.deepEqual(await contents(cookie), { n: 1, items: ["later"] });
    });

    test("a session that a middleware has saved gets its cookie with the handshake", async () => {
      use("merge", async ({ session }) => {
        session.data.n = 5;
        await session.save();
      });
      const head = await handshake();
      const cookie = /^set-cookie: (sid=[\w-]+)/im.exec(head)![1]!;
      assert.deepEqual(await contents(cookie), { n: 5 });
    });

    test("one that a middleware has not saved is saved, and the process lives", async () => {
      use("merge", ({ session }) => {
        session.data.n = 6;
      });
      const head = await handshake();
      assert.match(head, /^HTTP\/1.1 101 /);
      await sleep(20);
      assert.equal(connected[0]!.session.isNew, false);
      // The handshake does not wait for a store that answers late.
      assert.equal(/^set-cookie:/im.test(head), speed === "immediately");
      assert.deepEqual(
        warnings.map(({ code }) => code),
        speed === "late" ? ["COATCHECK_HANDSHAKE"] : [],
      );
    });
  });
}

test("a response that is an empty object, as examples of the package ws have it, does no harm", async () => {
  const sessions = createSessions<Data>({ store: stores.late!(), secret: SECRET, cookie: { secure: false } });
  const first = await sessions.open(null);
  first.data.n = 1;
  const cookie = (await first.commit())[0]!.split(";")[0]!;
  const request = { headers: { cookie, upgrade: "websocket" }, socket: {} } as unknown as Request;
  await new Promise<void>((resolve) => onExpress(sessions)(request, {} as never, () => resolve()));
  request.session.data.n++;
  await request.session.save();
  request.session.data.n++;
  await request.session.save();
  assert.equal((await sessions.open(cookie)).data.n, 3);
  await sessions.close();
});
