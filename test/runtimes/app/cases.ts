// What every runtime has to do beside the conformance suite: cases for the core, sealed cookies, and how modules load.

import assert from "node:assert/strict";
import zlib from "node:zlib";
import { session as fetchSession } from "../../../src/adapters/fetch.ts";
import {
  createSessions,
  type Session,
  type SessionStore,
  type Sessions,
  SessionTooLargeError,
  type StoredSession,
  StoreError,
} from "../../../src/index.ts";
import { memory } from "../../../src/stores/memory/index.ts";
import { sealedCookie } from "../../../src/stores/sealed-cookie/index.ts";

/** A case of any part. `skip` is called if the store lacks what the case is about. */
export interface PortableCase {
  name: string;
  run(context: { skip(reason?: string): void }): Promise<void>;
}

type Data = Record<string, unknown>;

const SECRET = "0123456789abcdef0123456789abcdef";
const OTHER_SECRET = "fedcba9876543210fedcba9876543210";

/** Made while this module loads, as most applications do. Some runtimes allow neither timers nor random numbers then. */
const early = createSessions<Data>({ store: memory(), secret: SECRET });

export const coreCases: PortableCase[] = [
  {
    name: "sessions that were made while the module loaded",
    async run() {
      const cookie = await request(early, undefined, (session) => session.set("n", 1));
      await request(early, cookie, (session) => assert.equal(session.get("n"), 1));
    },
  },
  {
    name: "values of every kind come back",
    async run() {
      const { sessions } = farm();
      const values = {
        text: "Füße 👟",
        none: undefined,
        date: new Date(1_700_000_000_000),
        map: new Map([["a", new Set([1, 2])]]),
        big: 2n ** 80n,
        bytes: Buffer.from([0, 1, 254, 255]),
        typed: new Float64Array([0.5, -0]),
        deep: { list: [1, [2, { three: 3 }]] },
      };
      const cookie = await request(sessions, undefined, (session) => {
        for (const [key, value] of Object.entries(values)) session.set(key, value);
      });
      await request(sessions, cookie, (session) => {
        for (const [key, value] of Object.entries(values)) assert.deepStrictEqual(session.get(key), value, key);
      });
    },
  },
  {
    name: "a stored session is encrypted, and another secret does not open it",
    async run() {
      const { store, sessions } = farm();
      const cookie = await request(sessions, undefined, (session) => session.set("user", "xyzzy"));
      const [stored] = await all(store);
      assert.ok(!Buffer.from(stored!.value).toString("latin1").includes("xyzzy"));
      const rotated = createSessions<Data>({ store, secret: [OTHER_SECRET, SECRET] });
      await request(rotated, cookie, (session) => assert.equal(session.get("user"), "xyzzy"));
      const stranger = createSessions<Data>({ store, secret: OTHER_SECRET });
      await request(stranger, cookie, (session) => assert.equal(session.get("user"), undefined));
    },
  },
  ...(["zstd", "brotli", "gzip"] as const).map((algorithm) => ({
    name: `compression with ${algorithm}`,
    async run({ skip }: { skip(reason?: string): void }) {
      const { zstdCompressSync } = zlib as Partial<typeof zlib>;
      if (algorithm === "zstd" && zstdCompressSync === undefined) {
        skip("the runtime has no zstd");
        return;
      }
      const { store, sessions } = farm({ compress: { algorithm, threshold: 100 } });
      const text = "coat ".repeat(2_000);
      const cookie = await request(sessions, undefined, (session) => session.set("text", text));
      await request(sessions, cookie, (session) => assert.equal(session.get("text"), text));
      assert.ok((await all(store))[0]!.value.length < 1_000);
    },
  })),
  {
    name: "50 parallel requests keep each other's writes",
    async run() {
      const { sessions } = farm({ merge: { n: "counter" } });
      const cookie = await request(sessions, undefined, (session) => session.set("n", 0));
      await Promise.all(
        Array.from({ length: 50 }, (_, index) =>
          request(sessions, cookie, async (session) => {
            await pause(index % 5);
            session.set(`key${index}`, index);
            session.update("n", (n) => Number(n) + 1);
          }),
        ),
      );
      await request(sessions, cookie, (session) => {
        assert.equal(session.keys().length, 51);
        assert.equal(session.get("n"), 50);
      });
    },
  },
  {
    name: "exclusive requests follow each other",
    async run() {
      const { sessions } = farm();
      const cookie = await request(sessions, undefined, (session) => session.set("n", 0));
      const add = async () => {
        const session = await sessions.open(cookie, { mode: "exclusive" });
        const n = session.get("n") as number;
        await pause(5);
        session.set("n", n + 1);
        await session.commit();
      };
      await Promise.all(Array.from({ length: 10 }, add));
      await request(sessions, cookie, (session) => assert.equal(session.get("n"), 10));
    },
  },
  {
    name: "regenerate gives a new ticket, and the old one opens nothing",
    async run() {
      const { sessions } = farm();
      const old = await request(sessions, undefined, (session) => session.set("n", 1));
      const cookie = await request(sessions, old, async (session) => {
        assert.equal(await session.regenerate(), true);
        session.owner = "ann";
      });
      assert.notEqual(cookie, old);
      await request(sessions, cookie, (session) => assert.equal(session.get("n"), 1));
      await request(sessions, old, (session) => assert.equal(session.get("n"), undefined));
      assert.equal(await sessions.revokeAll("ann"), 1);
      await request(sessions, cookie, (session) => assert.equal(session.get("n"), undefined));
    },
  },
  {
    name: "a store that hangs is an error after storeTimeout, also when another request had begun earlier",
    async run() {
      const { store } = farm();
      const hanging: SessionStore = { ...store, read: () => new Promise(() => {}) };
      const sessions = createSessions<Data>({ store: hanging, secret: SECRET, storeTimeout: 200 });
      const cookie = await request(sessions, undefined, (session) => session.set("n", 1));
      for (let round = 0; round < 2; round++) {
        const began = Date.now();
        await assert.rejects(sessions.open(cookie), StoreError);
        assert.ok(Date.now() - began < 3_000);
      }
    },
  },
  {
    name: "events, sweeps and the circuit breaker",
    async run() {
      const { sessions } = farm({ idleTimeout: 50 });
      const ended: string[] = [];
      sessions.on("end", ({ reason }) => ended.push(reason));
      await request(sessions, undefined, (session) => session.set("n", 1));
      let swept = 0;
      for (let tries = 0; swept === 0 && tries < 30; tries++) {
        await pause(100);
        swept = await sessions.sweep();
      }
      assert.equal(swept, 1);
      assert.deepEqual(ended, ["expired"]);
      const { store } = farm();
      let calls = 0;
      const down: SessionStore = {
        ...store,
        read: () => Promise.reject(new Error(`down ${++calls}`)),
      };
      const failing = createSessions<Data>({ store: down, secret: SECRET, storeTimeout: 500 });
      const cookie = await request(failing, undefined, (session) => session.set("n", 1));
      for (let i = 0; i < 20; i++) await assert.rejects(failing.open(cookie), StoreError);
      assert.ok(calls < 60, `${calls} calls`);
      await failing.close();
    },
  },
  {
    name: "a misspelt option is an error that names it",
    async run() {
      assert.throws(() => createSessions({ idleTimout: "20m" } as never), /idleTimout.*idleTimeout/s);
    },
  },
];

export const sealedCookieCases: PortableCase[] = [
  {
    name: "a session comes back from its cookie, to any server that has the secret",
    async run() {
      const cookie = await request(sealed(), undefined, (session) => session.set("cart", new Map([["hat", 2]])));
      await request(sealed(), cookie, (session) => assert.deepEqual(session.get("cart"), new Map([["hat", 2]])));
      const rotated = createSessions<Data>({ store: sealedCookie(), secret: [OTHER_SECRET, SECRET] });
      await request(rotated, cookie, (session) => assert.deepEqual(session.get("cart"), new Map([["hat", 2]])));
    },
  },
  {
    name: "a changed cookie opens nothing",
    async run() {
      const sessions = sealed();
      const cookie = await request(sessions, undefined, (session) => session.set("user", "ann"));
      const value = cookie!.indexOf("=") + 1;
      for (let at = value; at < cookie!.length - 1; at += 7) {
        const changed = cookie!.slice(0, at) + (cookie![at] === "A" ? "B" : "A") + cookie!.slice(at + 1);
        await request(sessions, changed, (session) => assert.equal(session.get("user"), undefined));
      }
    },
  },
  {
    name: "the cookie hides what it holds",
    async run() {
      const cookie = await request(sealed(), undefined, (session) => session.set("user", "xyzzy"));
      assert.ok(!Buffer.from(cookie!.split("=")[1]!, "base64url").toString("latin1").includes("xyzzy"));
    },
  },
  {
    name: "a session expires",
    async run() {
      const sessions = sealed({ idleTimeout: 60 });
      const cookie = await request(sessions, undefined, (session) => session.set("n", 1));
      await pause(150);
      await request(sessions, cookie, (session) => assert.equal(session.get("n"), undefined));
    },
  },
  {
    name: "a session that is too large is an error",
    async run() {
      await assert.rejects(
        request(sealed(), undefined, (session) => session.set("text", "x".repeat(4_000))),
        SessionTooLargeError,
      );
    },
  },
  {
    name: "regenerate and destroy",
    async run() {
      const sessions = sealed();
      const cookie = await request(sessions, undefined, (session) => session.set("n", 1));
      const next = await request(sessions, cookie, (session) => session.regenerate());
      assert.notEqual(next?.slice(0, 50), cookie?.slice(0, 50));
      await request(sessions, next, (session) => assert.equal(session.get("n"), 1));
      assert.equal(await request(sessions, next, (session) => session.destroy()), undefined);
    },
  },
  {
    name: "behind the fetch adapter",
    async run() {
      const handle = fetchSession(sealed())((_request, session) => {
        const n = ((session.get("n") as number | undefined) ?? 0) + 1;
        session.set("n", n);
        return new Response(String(n));
      });
      const first = await handle(new Request("https://shop.example/"));
      const cookie = first.headers.getSetCookie()[0]!.split(";")[0]!;
      const second = await handle(new Request("https://shop.example/", { headers: { cookie } }));
      assert.equal(await second.text(), "2");
    },
  },
];

/** A store that seals sessions, as a store on another machine would. */
function farm(options: object = {}): { store: SessionStore; sessions: Sessions<Data> } {
  const { inProcess: _, ...store } = memory();
  return { store, sessions: createSessions<Data>({ store, secret: SECRET, sweepInterval: false, ...options }) };
}

function sealed(options: object = {}): Sessions<Data> {
  return createSessions<Data>({ store: sealedCookie(), secret: SECRET, ...options });
}

/** Runs one request, and gives the browser's cookie after it. */
async function request(
  sessions: Sessions<Data>,
  cookie: string | undefined,
  handler: (session: Session<Data>) => unknown,
): Promise<string | undefined> {
  const session = await sessions.open(cookie ?? null);
  await handler(session);
  for (const set of await session.commit()) {
    if (/^[^;]*sid=/.test(set)) cookie = /Max-Age=0/.test(set) ? undefined : set.split(";")[0];
  }
  return cookie;
}

async function all(store: SessionStore): Promise<StoredSession[]> {
  const found: StoredSession[] = [];
  for await (const { key } of store.list!({})) found.push((await store.read(key))!);
  return found;
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
