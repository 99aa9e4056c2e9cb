// Tests of writes whose answers are lost, at real databases behind a proxy that injects faults.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { createSessions, type Duration, type SessionStore, type Sessions } from "../../src/index.ts";
import { postgres } from "../../src/stores/postgres/index.ts";
import { redis } from "../../src/stores/redis/index.ts";
import { startPostgres } from "../servers/postgres.ts";
import { startRedis } from "../servers/redis.ts";
import { startTcpFaultProxy, type TcpFault, type TcpFaultProxy } from "../servers/tcp-fault-proxy.ts";
import { Browser } from "../support/browser.ts";
import { SECRET } from "../support/stores.ts";

type Data = { n: number };

const servers = [
  {
    name: "redis",
    start: startRedis,
    open: (port: number): SessionStore => redis({ url: `redis://127.0.0.1:${port}` }),
  },
  {
    name: "postgres",
    start: startPostgres,
    open: (port: number): SessionStore =>
      postgres({ url: `postgres://postgres@127.0.0.1:${port}/postgres`, createTable: true }),
  },
];

const FAULTS: (() => TcpFault)[] = [
  () => "cut",
  () => "lose the answer",
  () => "half close",
  () => ({ late: Math.random() * 300 }),
  () => ({ delay: Math.random() * 300 }),
  () => ({ delay: 1_500 }), // longer than the time limit
];

for (const { name, start, open } of servers) {
  describe(`answers of ${name} that are lost`, () => {
    let server: Awaited<ReturnType<typeof start>>;
    let proxy: TcpFaultProxy;
    const opened: Sessions<Data>[] = [];

    function farm(port: number, storeTimeout: Duration = "1s"): Sessions<Data> {
      const sessions = createSessions<Data>({
        store: open(port),
        secret: SECRET,
        sweepInterval: false,
        storeTimeout,
      });
      opened.push(sessions);
      return sessions;
    }

    before(async () => {
      server = await start();
      proxy = await startTcpFaultProxy(server.port);
    });
    after(async () => {
      await Promise.all(opened.map((sessions) => sessions.close()));
      await proxy.close();
      await server.stop();
    });

    test("an increment is applied once if its commit resolves, and at most once if it fails", async (t) => {
      const direct = farm(server.port, "30s");
      const apart = [farm(proxy.port), farm(proxy.port)];
      const totals = { saved: 0, failed: 0, failedButSaved: 0, faults: 0 };

      for (let round = 0; round < 8; round++) {
        const browser = new Browser<Data>(direct);
        await browser.request((session) => session.set("n", 0));
        proxy.fault = () => {
          if (Math.random() > 0.08) return undefined;
          totals.faults++;
          return FAULTS[Math.floor(Math.random() * FAULTS.length)]!();
        };
        let saved = 0;
        let failed = 0;
        const increment = async (sessions: Sessions<Data>) => {
          let session: Awaited<ReturnType<typeof sessions.open>>;
          try {
            session = await sessions.open(browser.cookie);
          } catch {
            return; // the increment has not begun
          }
          assert.equal(session.isNew, false, "an outage is never taken for a session that has ended");
          session.update("n", (n) => (n as number) + 1);
          // The commit has to resolve a save that failed.
          if (Math.random() < 0.5) await session.save().catch(() => {});
          try {
            await session.commit();
            saved++;
          } catch {
            failed++;
          }
        };
        for (let turn = 0; turn < 5; turn++) await Promise.all([0, 1, 0, 1].map((at) => increment(apart[at]!)));
        proxy.fault = undefined;
        await proxy.settled();
        const { n } = (await browser.contents()) as Data;
        assert.ok(
          n >= saved && n <= saved + failed,
          `${saved} increments were answered, ${failed} failed, and the count is ${n}`,
        );
        totals.saved += saved;
        totals.failed += failed;
        totals.failedButSaved += n - saved;
      }
      t.diagnostic(JSON.stringify(totals));
      assert.ok(totals.saved > 0 && totals.faults > 0);
    });

    test("an update is saved although its first answer is lost", async () => {
      const browser = new Browser<Data>(farm(proxy.port));
      await browser.request((session) => session.set("n", 0));
      for (const fault of ["cut", "lose the answer", "half close"] as const) {
        for (let i = 0; i < 3; i++) {
          await browser.request((session) => {
            session.update("n", (n) => (n ?? 0) + 1);
            let isFirst = true;
            proxy.fault = () => {
              if (!isFirst) return undefined;
              isFirst = false;
              return fault;
            };
          });
        }
      }
      proxy.fault = undefined;
      assert.deepEqual(await browser.contents(), { n: 9 });
    });

    test("a session is created once although the first answer is lost", async () => {
      const direct = farm(server.port, "30s");
      const sessions = farm(proxy.port);
      const before = await sessions.count(); // also opens the connection
      const browsers = ["cut", "lose the answer", "half close"].map(() => new Browser<Data>(sessions));
      for (const [i, fault] of (["cut", "lose the answer", "half close"] as const).entries()) {
        await browsers[i]!.request((session) => {
          session.set("n", i);
          let isFirst = true;
          proxy.fault = () => {
            if (!isFirst) return undefined;
            isFirst = false;
            return fault;
          };
        });
      }
      proxy.fault = undefined;
      for (const [i, browser] of browsers.entries()) assert.deepEqual(await browser.contents(), { n: i });
      assert.equal((await direct.count()) - before, 3);
    });
  });
}
