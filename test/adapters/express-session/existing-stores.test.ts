// The stores that applications of express-session have, with express-session and with the drop-in.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";
import { RedisStore } from "connect-redis";
import pg from "pg";
import { createClient } from "redis";
import type { SessionOptions } from "../../../src/adapters/express-session/index.ts";
import { startPostgres } from "../../servers/postgres.ts";
import { startRedis } from "../../servers/redis.ts";
import fc, { runs } from "../../support/random.ts";
import { application, dropIn, original, type Step, type Visit } from "./both.ts";
import { examples, options, visits } from "./random-visits.ts";

type Session = typeof dropIn;
type AnyStore = new (options: object) => object;
const require = createRequire(import.meta.url);

/** A store of an existing package, and all that is in it. */
interface Existing {
  /** False: another instance has other sessions. */
  isShared: boolean;
  /** The factories of the older packages take the module as an argument. */
  make(session: Session, run: string): object | Promise<object>;
  contents(run: string, store: object): Promise<unknown> | unknown;
  close?(): Promise<void>;
}

const packages: Record<string, () => Promise<Existing>> = {
  "connect-redis": async () => {
    const server = await startRedis();
    const client = createClient({ url: server.url });
    await client.connect();
    return {
      isShared: true,
      make: (_, run) => new RedisStore({ client, prefix: run }),
      async contents(run) {
        const keys = (await client.keys(`${run}*`)).sort();
        return Promise.all(keys.map(async (key) => [key.slice(run.length), JSON.parse((await client.get(key))!)]));
      },
      async close() {
        client.destroy();
        await server.stop();
      },
    };
  },

  "connect-pg-simple": async () => {
    const server = await startPostgres();
    const pool = new pg.Pool({ connectionString: server.url });
    pool.on("error", () => {}); // the server stops before its connections do
    const connectPgSimple = require("connect-pg-simple") as (session: Session) => AnyStore;
    return {
      isShared: true,
      async make(session, run) {
        const table = `"${run}"`;
        await pool.query(
          `CREATE TABLE IF NOT EXISTS ${table} (sid varchar PRIMARY KEY, sess json NOT NULL, expire timestamp(6) NOT NULL)`,
        );
        return new (connectPgSimple(session))({ pool, tableName: run, pruneSessionInterval: false });
      },
      async contents(run) {
        const { rows } = await pool.query(`SELECT sid, sess FROM "${run}" ORDER BY sid`);
        await pool.query(`DROP TABLE "${run}"`);
        return rows;
      },
      async close() {
        await pool.end();
        await server.stop();
      },
    };
  },

  memorystore: async () => {
    const memorystore = require("memorystore") as (session: Session) => AnyStore;
    return {
      isShared: false,
      make: (session) => new (memorystore(session))({ checkPeriod: 86_400_000 }),
      contents: (_, store) =>
        new Promise((resolve, reject) => {
          const { all } = store as { all(done: (error: unknown, found: object) => void): void };
          all.call(store, (error, found) => (error ? reject(error) : resolve(JSON.parse(JSON.stringify(found)))));
        }),
    };
  },
};

for (const [name, open] of Object.entries(packages)) {
  describe(`with ${name} the drop-in does what express-session does`, () => {
    let existing: Existing;
    before(async () => {
      existing = await open();
    });
    after(() => existing?.close?.());

    test("in any sequence of requests", async () => {
      let count = 0;
      await fc.assert(
        fc.asyncProperty(options, visits, async (options, visits) => {
          const run = `run${count++}`;
          lengthen(options, visits);
          const theirs = await seenBy(original, `${run}theirs`, options, visits);
          const ours = await seenBy(dropIn, `${run}ours`, options, visits);
          assert.deepEqual(withoutTime(ours), withoutTime(theirs));
        }),
        { examples, numRuns: runs(60) },
      );
    });

    test("servers of both packages have the same sessions, there and back", async (t) => {
      if (!existing.isShared) return t.skip("its sessions are in one process");
      const options = { secret: "keyboard cat", resave: false, saveUninitialized: false, rolling: true };
      const jar: string[] = [];
      const apps = [];
      for (const session of [original, dropIn]) {
        const store = await existing.make(session, "both");
        apps.push(await application(session, { ...options, store: store as never }, jar));
      }
      const [theirs, ours] = apps;
      const basic = { method: "GET", pause: 0, path: "/", cookie: "mine", https: false } as const;
      for (const [i, app] of [theirs!, ours!, theirs!, theirs!, ours!, ours!, theirs!].entries()) {
        const more: Step[] = i === 3 ? [["save"], ["reload"]] : [];
        const steps: Step[] = [["push", "cart", i], ...more];
        const seen = await app.visit({ ...basic, steps, answer: { status: 200, way: "end", late: [] } });
        const log = JSON.parse(seen.body);
        assert.deepEqual(log.at(-1).json.cart, [0, 1, 2, 3, 4, 5, 6].slice(0, i + 1));
      }
      await Promise.all([theirs!.close(), ours!.close()]);
    });

    async function seenBy(session: Session, run: string, options: SessionOptions, visits: readonly Visit[]) {
      let ids = 0;
      const store = await existing.make(session, run);
      const app = await application(session, { ...options, genid: () => `id-${ids++}`, store: store as never });
      const seen: unknown[] = [];
      try {
        for (const visit of visits) seen.push(await app.visit(visit));
      } finally {
        await app.close();
      }
      return [seen, await existing.contents(run, store)];
    }
  });
}

/** Ages that may or may not have passed when the next request comes would fail now and then. */
function lengthen({ cookie }: SessionOptions, visits: readonly Visit[]): void {
  const short = (ms: unknown) => typeof ms === "number" && ms < 60_000;
  if (typeof cookie === "object" && short(cookie.maxAge)) cookie.maxAge = 60_000;
  for (const { steps, answer } of visits) {
    for (const step of [...steps, ...answer.late]) {
      if (step[0] === "meanwhile") lengthen({}, [step[1]]);
      else if ((step[0] === "maxAge" || step[0] === "expires") && short(step[1])) step[1] = 60_000;
    }
  }
}

/** What the clock decides: databases have their own, so it can't be stopped. */
function withoutTime(seen: unknown): unknown {
  return JSON.parse(
    JSON.stringify(seen)
      .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "an instant")
      .replace(/Expires=[^;"]+GMT/g, "Expires=an instant")
      .replace(/(\\*"maxAge\\*"):-?\d+/g, "$1:0")
      .replace(/(\\*"originalMaxAge\\*"):(-?\d+)/g, (_, name, ms) => `${name}:${Math.round(Number(ms) / 10_000)}`),
  );
}
