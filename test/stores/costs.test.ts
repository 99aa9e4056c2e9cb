// The table of docs/stores.md: what each store offers, and how many round trips a request costs.

import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { createSessions, type SessionStore, type Sessions } from "../../src/index.ts";
import { azureTable } from "../../src/stores/azure-table/index.ts";
import { cosmos } from "../../src/stores/cosmos/index.ts";
import { file } from "../../src/stores/file/index.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { mysql } from "../../src/stores/mysql/index.ts";
import { postgres } from "../../src/stores/postgres/index.ts";
import { redis } from "../../src/stores/redis/index.ts";
import { sqlite } from "../../src/stores/sqlite/index.ts";
import { startAzurite } from "../servers/azurite.ts";
import { startCosmos } from "../servers/cosmos.ts";
import { type CountingProxy, startCountingProxy } from "../servers/counting-proxy.ts";
import { startMariadb } from "../servers/mariadb.ts";
import { startPostgres } from "../servers/postgres.ts";
import { tempDir } from "../servers/process.ts";
import { startRedis } from "../servers/redis.ts";

/** A row of the table. */
interface Row {
  name: string;
  sharedBy: string;
  /** Starts the store's server, if it has one. `at` makes a store that connects to a port. */
  start?(): Promise<{ port: number; stop(): Promise<unknown>; at(port: number): SessionStore }>;
  /** Makes a store that has no server. */
  make?(): SessionStore;
  /** Makes the store with all optional abilities. Default: it has none that are optional. */
  full?(): SessionStore;
}

const folder = tempDir("costs");
after(() => rmSync(folder, { recursive: true, force: true }));

const rows: Row[] = [
  { name: "memory", sharedBy: "one process", make: () => memory() },
  { name: "file", sharedBy: "a machine", make: () => file({ path: join(folder, "sessions") }) },
  { name: "sqlite", sharedBy: "a machine", make: () => sqlite({ path: join(folder, "sessions.db") }) },
  {
    name: "redis",
    sharedBy: "a farm",
    async start() {
      const server = await startRedis();
      return {
        port: server.port,
        stop: () => server.stop(),
        at: (port) => redis({ host: "127.0.0.1", port, ssl: false }),
      };
    },
    full: () => redis({ url: "redis://localhost", keepExpired: "1m" }),
  },
  {
    name: "postgres",
    sharedBy: "a farm",
    async start() {
      const server = await startPostgres();
      const at = (port: number) => postgres({ url: withPort(server.url, port), createTable: true });
      return { port: server.port, stop: () => server.stop(), at };
    },
    full: () => postgres({ url: "postgres://localhost", notify: true }),
  },
  {
    name: "mysql",
    sharedBy: "a farm",
    async start() {
      const server = await startMariadb();
      const at = (port: number) => mysql({ url: withPort(server.url, port), createTable: true });
      return { port: server.port, stop: () => server.stop(), at };
    },
  },
  {
    name: "azure-table",
    sharedBy: "a farm",
    async start() {
      const server = await startAzurite();
      const at = (port: number) =>
        azureTable({ connectionString: server.connectionString.replace(`:${server.port}/`, `:${port}/`) });
      return { port: server.port, stop: () => server.stop(), at };
    },
  },
  {
    name: "cosmos",
    sharedBy: "a farm, several regions",
    async start() {
      const server = await startCosmos();
      const at = (port: number) =>
        cosmos({ endpoint: withPort(server.endpoint, port), key: server.key, endpointDiscovery: false });
      return { port: server.port, stop: () => server.close(), at };
    },
    full: () => cosmos({ endpoint: "https://localhost", key: "YW55", claimExpired: true }),
  },
];

const secret = "a secret for counting round trips";
const MEASUREMENTS = 20;
const ABILITIES = ["list", "claimExpired", "watch"] as const;
const lines: string[] = [];

for (const row of rows) {
  describe(row.name, () => {
    let proxy: CountingProxy | undefined;
    let stop: (() => Promise<unknown>) | undefined;
    let store: SessionStore;
    let sessions: Sessions<{ n: number }>;
    /** The same sessions with a longer idle time, so that each request extends a session, and not so long that it seals it again. */
    let later: Sessions<{ n: number }>;

    before(async () => {
      if (row.start) {
        const server = await row.start();
        stop = server.stop;
        proxy = await startCountingProxy(server.port);
        store = server.at(proxy.port);
      } else {
        store = row.make!();
      }
      const common = { store, secret, sweepInterval: false as const, storeTimeout: "30s" as const };
      sessions = createSessions(common);
      later = createSessions({ ...common, idleTimeout: "25m" });
      // Warms up: connections, prepared statements and scripts are made once.
      for (let i = 0; i < 3; i++) {
        const cookie = await createSession("warm");
        await visit(cookie, (session) => void session.update("n", (n) => (n ?? 0) + 1));
        await visit(cookie, undefined, later);
        await visit(cookie, logIn);
        await visit(await createSession(), (session) => session.destroy());
      }
    });
    after(async () => {
      await store.close();
      await proxy?.close();
      await stop?.();
    });

    type Handler = (session: Awaited<ReturnType<typeof sessions.open>>) => unknown;

    async function visit(cookie: string | undefined, handler: Handler = (session) => session.data.n, at = sessions) {
      const session = await at.open(cookie);
      await handler(session);
      return (await session.commit())[0]?.split(";")[0];
    }

    async function createSession(owner?: string): Promise<string> {
      const cookie = await visit(undefined, (session) => {
        session.data.n = 0;
        session.owner = owner;
      });
      return cookie!;
    }

    /** The login that the guide shows: the session gets an owner and a new ticket. */
    async function logIn(session: Awaited<ReturnType<typeof sessions.open>>): Promise<void> {
      session.owner = "ann";
      await session.regenerate();
    }

    /** Round trips of one request: the least of some, as a pool's own messages and answers that come apart only add. */
    async function trips(request: () => Promise<unknown>): Promise<number> {
      const counts: number[] = [];
      for (let i = 0; i < MEASUREMENTS; i++) {
        proxy?.take();
        await request();
        counts.push(proxy?.take() ?? 0);
      }
      return Math.min(...counts);
    }

    test("a request makes no more round trips than documented", async () => {
      const cookie = await createSession();
      const owned = await createSession("ann");
      const costs = {
        anonymous: await trips(() => visit(undefined)),
        read: await trips(() => visit(cookie)),
        change: await trips(() => visit(cookie, (session) => session.update("n", (n) => (n ?? 0) + 1))),
        new: await trips(() => createSession()),
        extend: await trips(async () => visit(await fresh(), undefined, later)),
        ownedRead: await trips(() => visit(owned)),
        ownedChange: await trips(() => visit(owned, (session) => session.update("n", (n) => (n ?? 0) + 1))),
        ownedNew: await trips(() => createSession("ann")),
        login: await trips(async () => visit(await fresh(), logIn)),
      };
      assert.equal(costs.anonymous, 0);
      assert.ok(costs.read <= 1 && costs.ownedRead <= 1, JSON.stringify(costs));
      assert.ok(costs.change <= 2 && costs.ownedChange <= 2, JSON.stringify(costs));
      assert.ok(costs.new <= 1, JSON.stringify(costs));
      assert.ok(costs.login <= 5, JSON.stringify(costs));
      lines.push(line(row, store, costs));

      async function fresh(): Promise<string> {
        const cookie = await createSession();
        proxy?.take();
        return cookie;
      }
    });
  });
}

describe("docs/stores.md", () => {
  test("shows what the stores offer and cost", () => {
    const page = join(import.meta.dirname, "../../docs/stores.md");
    const text = readFileSync(page, "utf8");
    const table = [
      "| store | shared by | list by owner | hands out the expired | reports changes | nothing written | read | read, idle time extended | change | new | new, with an owner | login |",
      "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
      ...lines,
    ].join("\n");
    const updated = text.replace(/(?<=<!-- table -->\n).*?(?=<!-- \/table -->)/s, () => `${table}\n`);
    if (process.env.COATCHECK_UPDATE_DOCS) writeFileSync(page, updated);
    else assert.equal(text, updated, "the table is out of date: COATCHECK_UPDATE_DOCS=1 npm test updates it");
  });
});

function line({ name, sharedBy, make, full }: Row, store: SessionStore, costs: Record<string, number>): string {
  const counted = make === undefined;
  const cost = (count: number | undefined) => (counted ? String(count) : "–");
  const cells = [
    `\`${name}\``,
    sharedBy,
    ...ABILITIES.map((ability) => abilityOf(ability)),
    ...["anonymous", "read", "extend", "change", "new", "ownedNew", "login"].map((request) => cost(costs[request])),
  ];
  return `| ${cells.join(" | ")} |`;

  function abilityOf(ability: (typeof ABILITIES)[number]): string {
    if (store[ability] !== undefined) return "yes";
    return full?.()[ability] === undefined ? "no" : "optional";
  }
}

function withPort(url: string, port: number): string {
  const parsed = new URL(url);
  parsed.port = String(port);
  return parsed.href;
}
