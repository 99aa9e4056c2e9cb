// Three server processes and one Redis: one session of ten requests, and a farm under load that moves there and back.
// COATCHECK_MOVING_USERS (default 8) says how many users each package has. With more than 8, the farm moves there once more.

import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { ShopOrder } from "../fixtures/legacy/shop-process.ts";
import { Client, packages } from "../legacy/packages.ts";
import { type RedisServer, startRedis } from "../servers/redis.ts";

const USERS = Number(process.env.COATCHECK_MOVING_USERS ?? 8);
const SERVERS = 3;
const PROCESS = fileURLToPath(new URL("../fixtures/legacy/shop-process.ts", import.meta.url));

let server: RedisServer;

before(async () => {
  server = await startRedis();
});
after(async () => {
  // A test that fails must not leave servers, which would keep this process alive.
  for (const process of started) if (process.exitCode === null) process.kill("SIGKILL");
  await server.stop();
});

const started: ChildProcess[] = [];

interface Shop {
  process: ChildProcess;
  ports: number[];
}

async function start(order: Omit<ShopOrder, "url">): Promise<Shop> {
  const process = fork(PROCESS, [JSON.stringify({ ...order, url: server.url })]);
  started.push(process);
  const [ports] = (await once(process, "message")) as [number[]];
  return { process, ports };
}

/** The graceful stop of a rolling restart. */
async function stop({ process }: Shop): Promise<void> {
  const isOver = once(process, "exit");
  process.send("stop");
  const [code] = await isOver;
  assert.equal(code, 0, "a server has ended by itself");
}

describe("three servers meet an old cookie at the same moment", () => {
  const names = Object.keys(packages);
  let old: Shop;
  let farm: Shop[];

  before(async () => {
    [old, ...farm] = (await Promise.all([
      start({ names, version: "old" }),
      ...Array.from({ length: SERVERS }, () => start({ names, version: "new" })),
    ])) as [Shop, ...Shop[]];
  });
  after(() => Promise.all([old, ...farm].map(stop)));

  for (const [i, name] of names.entries()) {
    test(`${name}: ten requests make one session, and lose nothing`, async () => {
      const ports = farm.map((shop) => shop.ports[i]!);
      for (let round = 0; round < 5; round++) {
        const client = new Client();
        await client.get(old.ports[i]!, "/add?item=old");
        await client.get(old.ports[i]!, `/login?user=${name}-${round}`);
        const former = client.header;
        const tabs = Array.from({ length: 10 }, () => new Client());
        for (const tab of tabs) tab.keep(former.split("; "));
        await Promise.all(tabs.map((tab, n) => tab.get(ports[n % SERVERS]!, `/mark?name=${n}`)));
        const tickets = new Set(tabs.map((tab) => tab.jar.get("sid")));
        assert.equal(tickets.size, 1, "each browser has the ticket of the one session");
        const seen = await tabs[0]!.get(ports[0]!);
        assert.deepEqual(
          (seen.marks as string[]).toSorted(),
          Array.from({ length: 10 }, (_, n) => `mark-${n}`),
        );
        assert.deepEqual([seen.cart, seen.user], [["old"], `${name}-${round}`]);
        // Logged out, it does not come back, whatever the old cookie says.
        await tabs[0]!.get(ports[1]!, "/logout");
        const late = Array.from({ length: 10 }, () => new Client());
        for (const tab of late) tab.keep(former.split("; "));
        const answers = await Promise.all(late.map((tab, n) => tab.get(ports[n % SERVERS]!)));
        assert.deepEqual(
          answers,
          answers.map(() => ({})),
        );
      }
    });
  }
});

test("a server that is killed while it takes sessions over loses none", async (t) => {
  const names = ["express-session", "iron-session"];
  const [old, other, ...victims] = (await Promise.all([
    start({ names, version: "old" }),
    ...Array.from({ length: 4 }, () => start({ names, version: "new" })),
  ])) as [Shop, Shop, ...Shop[]];
  let killed = 0;
  for (const [round, victim] of victims.entries()) {
    const clients = await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        const client = new Client();
        await client.get(old.ports[i % 2]!, `/add?item=${round}-${i}`);
        return client;
      }),
    );
    const pending = clients.map((client, i) =>
      client.get(victim.ports[i % 2]!).then(
        () => {},
        () => killed++,
      ),
    );
    await Promise.race(pending);
    victim.process.kill("SIGKILL");
    await Promise.all(pending);
    // Each browser tries again, with the cookies that it has, in two tabs at the same moment.
    for (const [i, client] of clients.entries()) {
      const tab = new Client();
      for (const [name, value] of client.jar) tab.jar.set(name, value);
      const seen = await Promise.all([client, tab].map((one) => one.get(other.ports[i % 2]!)));
      assert.deepEqual(seen, [{ cart: [`${round}-${i}`] }, { cart: [`${round}-${i}`] }]);
      assert.equal(client.jar.get("sid"), tab.jar.get("sid"));
    }
  }
  t.diagnostic(`${killed} of 120 requests were killed`);
  assert.ok(killed > 0);
  await Promise.all([old, other].map(stop));
});

/** Servers that are replaced one by one. No request goes to one that is about to stop. */
class Farm {
  readonly #slots: Slot[] = [];

  /** The new server is there before the old one leaves. */
  async replace(at: number, shop: Shop): Promise<void> {
    const former = this.#slots[at];
    this.#slots[at] = new Slot(shop);
    await former?.idle();
    if (former !== undefined) await stop(former.shop);
  }

  /** Sends a request to any of the servers. */
  get(client: Client, at: number, path: string): Promise<Record<string, unknown>> {
    return this.#slots[Math.floor(Math.random() * this.#slots.length)]!.get(client, at, path);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#slots.map(({ shop }) => stop(shop)));
  }
}

class Slot {
  readonly shop: Shop;
  #busy = 0;
  #onIdle: (() => void) | undefined;

  constructor(shop: Shop) {
    this.shop = shop;
  }

  async get(client: Client, at: number, path: string): Promise<Record<string, unknown>> {
    this.#busy++;
    try {
      return await client.get(this.shop.ports[at]!, path);
    } finally {
      if (--this.#busy === 0) this.#onIdle?.();
    }
  }

  async idle(): Promise<void> {
    if (this.#busy === 0) return;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
  }
}

interface Counts {
  requests: number;
  items: number;
  logins: number;
  logouts: number;
}

/** Room for so many items is in the old cookies. */
const MAX_ITEMS = 8;

/** Shops until `isOver`, and checks in each response that all is there, and nothing else. */
async function shopper(
  name: string,
  get: (client: Client, path: string) => Promise<Record<string, unknown>>,
  counts: Counts,
  isOver: () => boolean,
): Promise<void> {
  let client = new Client();
  let cart: string[] = [];
  let user: string | undefined;
  for (let n = 0; !isOver(); n++) {
    const dice = Math.random();
    let path = "/";
    if (cart.length === MAX_ITEMS) {
      path = "/logout";
      counts.logouts++;
    } else if (dice < 0.5 || cart.length === 0) {
      cart = [...cart, `${name}-${n}`];
      path = `/add?item=${name}-${n}`;
      counts.items++;
    } else if (dice < 0.7 && user === undefined) {
      user = `${name}-${n}`;
      path = `/login?user=${user}`;
      counts.logins++;
    }
    counts.requests++;
    const answer = await get(client, path);
    if (path === "/logout") {
      assert.deepEqual(await get(client, "/"), {}, `${name} is logged out`);
      if (Math.random() < 0.5) client = new Client();
      cart = [];
      user = undefined;
    } else {
      const expected = { cart, ...(user !== undefined && { user }) };
      assert.deepEqual(answer, expected, `${name} after ${n} requests, ${path}`);
    }
  }
}

test("a farm under load moves server by server, and back, and no user notices", async (t) => {
  const names = ["express-session", "iron-session", "@fastify/session"];
  const three = (version: "old" | "new") =>
    Promise.all([0, 1, 2].map(() => start({ names, version, ...(version === "new" && { keep: "1d" }) })));
  const farm = new Farm();
  for (const [at, shop] of (await three("old")).entries()) await farm.replace(at, shop);
  const counts = names.map((): Counts => ({ requests: 0, items: 0, logins: 0, logouts: 0 }));
  let isOver = false;
  const users = names.flatMap((name, at) =>
    Array.from({ length: USERS }, (_, i) =>
      shopper(
        `${name}-${i}`,
        (client, path) => farm.get(client, at, path),
        counts[at]!,
        () => isOver,
      ),
    ),
  );
  const allDone = Promise.all(users);
  allDone.catch(() => {
    isOver = true;
  });
  /** Lets users send some requests with the farm as it is. */
  async function load(): Promise<void> {
    const enough = counts.map(({ requests }) => requests + USERS * 5);
    while (counts.some(({ requests }, i) => requests < enough[i]!) && !isOver) await sleep(20);
  }
  await load();
  for (const version of USERS > 8 ? (["new", "old", "new"] as const) : (["new", "old"] as const)) {
    for (const [at, shop] of (await three(version)).entries()) {
      await farm.replace(at, shop);
      await load();
    }
  }
  isOver = true;
  await allDone.finally(() => farm.stop());
  for (const [at, name] of names.entries()) {
    const { requests, items, logins, logouts } = counts[at]!;
    t.diagnostic(
      `${name}: ${USERS} users, ${requests} requests, ${items} cart items, ${logins} logins, ${logouts} logouts`,
    );
    assert.ok(items > USERS && logins > 0 && logouts > 0);
  }
});
