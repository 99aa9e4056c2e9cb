// The numbers of a farm's telemetry, against what its browsers and Redis itself count: also after a kill -9.

import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { redis } from "../../src/stores/redis/index.ts";
import { freePort, waitFor } from "../servers/process.ts";
import { type RedisServer, startRedis } from "../servers/redis.ts";
import { Browser } from "../support/browser.ts";
import { SECRET } from "../support/stores.ts";
import type { CountingSettings } from "./counting-server.ts";

/** What the metrics of both kinds of telemetry are called in this test. */
const PROMETHEUS: Record<string, string> = {
  coatcheck_sessions_started_total: "started",
  coatcheck_sessions_ended_total: "ended",
  coatcheck_conflicts_total: "conflicts",
  coatcheck_gone_total: "gone",
  coatcheck_forged_tickets_total: "forged",
  coatcheck_lease_takeovers_total: "takeovers",
  coatcheck_lock_wait_seconds_count: "waits",
  coatcheck_cache_reads_total: "cache",
  coatcheck_duplicate_cookies_total: "duplicates",
  coatcheck_unreadable_total: "unreadable",
  coatcheck_store_call_duration_seconds_count: "calls",
};
const OPEN_TELEMETRY: Record<string, string> = {
  "coatcheck.sessions.started": "started",
  "coatcheck.sessions.ended": "ended",
  "coatcheck.conflicts": "conflicts",
  "coatcheck.gone": "gone",
  "coatcheck.forged_tickets": "forged",
  "coatcheck.lease.takeovers": "takeovers",
  "coatcheck.lock.wait": "waits",
  "coatcheck.cache.reads": "cache",
  "coatcheck.duplicate_cookies": "duplicates",
  "coatcheck.unreadable": "unreadable",
  "db.client.operation.duration": "calls",
};

/** Numbers by their name, and by the reason or result where there is one: `started`, `ended.expired`. */
type Counts = Record<string, number>;

/** A server process, and what its browsers know of it. */
class Server {
  readonly settings: CountingSettings;
  /** What the answers of this process say. A process that is killed takes its numbers with it. */
  tally: Counts = {};
  #child: ChildProcess | undefined;

  constructor(settings: CountingSettings) {
    this.settings = settings;
  }

  async start(): Promise<void> {
    const child = fork(new URL("./counting-server.ts", import.meta.url), [JSON.stringify(this.settings)]);
    this.#child = child;
    this.tally = {};
    await Promise.race([
      once(child, "message"),
      once(child, "exit").then(([code]) => assert.fail(`the server has ended with ${code}`)),
    ]);
  }

  async kill(): Promise<void> {
    const ended = once(this.#child!, "exit");
    this.#child!.kill("SIGKILL");
    await ended;
  }

  count(name: string, by = 1): void {
    this.tally[name] = (this.tally[name] ?? 0) + by;
  }

  /** Sends a request as this browser. Gives the answer's text. */
  async send(path: string, browser?: Browser<object>, cookie = browser?.cookie): Promise<string> {
    const response = await fetch(`http://127.0.0.1:${this.settings.port}/${path}`, {
      ...(cookie !== undefined && { headers: { cookie } }),
    });
    const text = await response.text();
    assert.equal(response.status, 200, text);
    browser?.keep(response.headers.getSetCookie());
    return text;
  }

  async prometheus(): Promise<Counts & { alive: number }> {
    const counts: Counts & { alive: number } = { alive: Number.NaN };
    for (const [, name, labels = "", value] of (await this.send("metrics")).matchAll(/^(\w+)(\{.*\})? (\S+)$/gm)) {
      if (name === "coatcheck_sessions_alive") counts.alive = Number(value);
      const known = PROMETHEUS[name!];
      const label = /="(\w+)"/.exec(labels)?.[1];
      if (known !== undefined) counts[label === undefined ? known : `${known}.${label}`] = Number(value);
    }
    return counts;
  }

  async openTelemetry(): Promise<Counts> {
    const counts: Counts = {};
    const points: { name: string; attributes: Record<string, string>; value: number }[] = JSON.parse(
      await this.send("otel"),
    );
    for (const { name, attributes, value } of points) {
      const known = OPEN_TELEMETRY[name];
      const [label] = Object.values(attributes);
      if (known !== undefined) counts[label === undefined ? known : `${known}.${label}`] = value;
    }
    return counts;
  }

  /** Both kinds of telemetry say what the answers said. Calls and reads of the cache are counted where nothing else happens. */
  async assertAgrees(): Promise<void> {
    const { alive: _, ...prometheus } = await this.prometheus();
    assert.deepEqual(withoutZeros(prometheus), this.tally, "Prometheus");
    assert.deepEqual(withoutZeros(await this.openTelemetry()), this.tally, "OpenTelemetry");
  }
}

function withoutZeros(counts: Counts): Counts {
  return Object.fromEntries(
    Object.entries(counts).filter(([name, count]) => count !== 0 && !/^(cache|calls)\./.test(name)),
  );
}

const pick = <T>(items: readonly T[]): T => items[Math.floor(Math.random() * items.length)]!;

describe("a farm of three servers on one Redis", () => {
  let store: RedisServer;
  let servers: Server[];
  /** Browsers whose session is alive. */
  const alive = new Set<Browser<object>>();

  before(async () => {
    store = await startRedis();
    const settings = { secret: SECRET, redis: { url: store.url }, idleTimeout: "1h" as const };
    servers = await Promise.all(
      Array.from({ length: 3 }, async () => new Server({ ...settings, port: await freePort() })),
    );
    await Promise.all(servers.map((server) => server.start()));
  });
  after(async () => {
    await Promise.all(servers.map((server) => server.kill()));
    await store.stop();
  });

  /** The sessions in Redis. What a login leaves for late requests is no session. */
  async function countInRedis(): Promise<number> {
    const keys = await store.cli("--scan", "--pattern", "coatcheck:{*");
    return keys.split("\n").filter((key) => key !== "" && !key.endsWith("-replaced")).length;
  }

  async function assertAllAgree(): Promise<void> {
    const inRedis = await countInRedis();
    for (const server of servers) {
      await server.assertAgrees();
      assert.equal((await server.prometheus()).alive, inRedis);
    }
  }

  async function begin(server: Server): Promise<Browser<object>> {
    const browser = new Browser<object>();
    await server.send("merge/begin", browser);
    server.count("started");
    alive.add(browser);
    return browser;
  }

  /** One user: a login, some pages on any server, and one of the ways to end, or none. */
  async function visit(choose: () => Server): Promise<void> {
    const browser = await begin(choose());
    await choose().send("merge/count", browser);
    const login = choose();
    await login.send("merge/login", browser);
    login.count("started");
    login.count("ended.replaced");
    const id = await choose().send("merge/count", browser);
    const last = choose();
    const end = pick(["logout", "revoke", "none"]);
    if (end === "none") return;
    alive.delete(browser);
    if (end === "logout") await last.send("merge/logout", browser);
    else assert.equal(await last.send(`revoke/${id}`), "true");
    last.count(end === "logout" ? "ended.destroyed" : "ended.revoked");
  }

  /** Begins a request that is held on the server. Gives a function that lets it go, and its answer. */
  async function hold(server: Server, browser: Browser<object>, mode = "merge") {
    const name = Math.random().toString(36).slice(2);
    const answer = server.send(`${mode}/hold/${name}`, browser);
    answer.catch(() => {});
    await waitFor("the request that is held", async () => (await server.send(`isHeld/${name}`)) === "true");
    return async () => {
      await server.send(`go/${name}`);
      await answer;
    };
  }

  test("sessions that are begun, and ended by the reason", async () => {
    await Promise.all(Array.from({ length: 60 }, () => visit(() => pick(servers))));
    await assertAllAgree();
    assert.equal(await countInRedis(), alive.size);
  });

  test("conflicts, changes of ended sessions, forged tickets, and requests that wait", async () => {
    const [one, other] = [servers[0]!, servers[1]!];
    for (let i = 0; i < 5; i++) {
      const browser = await begin(other);
      const go = await hold(one, browser);
      await other.send("merge/count", browser);
      await go();
      one.count("conflicts");
    }
    for (let i = 0; i < 4; i++) {
      const browser = await begin(one);
      const { cookie } = browser;
      const go = await hold(one, browser);
      await other.send("merge/logout", browser, cookie);
      other.count("ended.destroyed");
      alive.delete(browser);
      await go();
      one.count("gone");
    }
    for (let i = 0; i < 3; i++) {
      await other.send("merge/read", undefined, `sid=${"A".repeat(40)}`);
      other.count("forged");
    }
    for (let i = 0; i < 2; i++) {
      const { cookie } = await begin(one);
      await other.send("merge/read", undefined, `${cookie}; sid=${"A".repeat(40)}`);
      other.count("duplicates");
    }
    const broken = await begin(one);
    const id = await one.send("merge/read", broken);
    const records = redis({ url: store.url });
    const { version, ...found } = (await records.read(id))!;
    await records.update(id, { ...found, value: Buffer.from("no record of coatcheck") }, version);
    await records.close();
    // This server has no copy of it.
    await other.send("merge/read", undefined, broken.cookie);
    other.count("unreadable");
    const browser = await begin(one);
    const go = await hold(one, browser, "exclusive");
    const reads = await other.send("reads");
    const waiting = other.send("exclusive/count", browser);
    // It has read that the session is another request's.
    await waitFor("the request that waits", async () => (await other.send("reads")) !== reads);
    await go();
    await waiting;
    other.count("waits");
    await assertAllAgree();
  });

  test("reads that the cache answers", async () => {
    const BROWSERS = 10;
    const READS = 5;
    // Until the announcements of Redis arrive, nothing is cached.
    const first = await begin(servers[0]!);
    for (const server of servers) {
      await waitFor("the cache", async () => {
        const before = (await server.prometheus())["cache.hit"] ?? 0;
        await server.send("merge/read", first);
        await server.send("merge/read", first);
        return ((await server.prometheus())["cache.hit"] ?? 0) > before;
      });
    }
    const browsers = await Promise.all(Array.from({ length: BROWSERS }, () => begin(pick(servers))));
    const scrape = () =>
      Promise.all(servers.map(async (server) => [await server.prometheus(), await server.openTelemetry()]));
    const getsInRedis = async () => Number(/cmdstat_get:calls=(\d+)/.exec(await store.cli("info", "commandstats"))![1]);
    const [before, getsBefore] = [await scrape(), await getsInRedis()];
    for (const server of servers) {
      await Promise.all(
        browsers.map(async (browser) => {
          for (let i = 0; i < READS; i++) await server.send("merge/read", browser);
        }),
      );
    }
    // Before the scrape, which counts the sessions.
    assert.equal((await getsInRedis()) - getsBefore, servers.length * BROWSERS, "reads in Redis");
    for (const [i, kinds] of (await scrape()).entries()) {
      for (const [k, counts] of kinds.entries()) {
        const since = (name: string) => (counts[name] ?? 0) - (before[i]![k]![name] ?? 0);
        assert.equal(since("cache.miss"), BROWSERS);
        assert.equal(since("calls.read"), BROWSERS);
        assert.equal(since("cache.hit"), BROWSERS * (READS - 1));
      }
    }
  });

  test("after a server was killed under load", async () => {
    const [victim, ...survivors] = servers as [Server, Server, Server];
    // A lease that nobody gives back: another server takes it over.
    const browser = await begin(survivors[0]!);
    await hold(victim, browser, "exclusive");
    const enough = alive.size + 30;
    let unknown = 0;
    let isKilled = false;
    const load = Promise.all(
      Array.from({ length: 12 }, async () => {
        while (!isKilled) {
          await visit(() => pick(survivors));
          const visitor = new Browser<object>();
          // It may have begun although no answer came.
          const answered = await victim.send("merge/begin", visitor).then(
            () => true,
            () => false,
          );
          if (answered) alive.add(visitor);
          else unknown++;
        }
      }),
    );
    await waitFor("some load", () => alive.size > enough);
    await victim.kill();
    isKilled = true;
    await load;
    await survivors[0]!.send("exclusive/count", browser);
    survivors[0]!.count("takeovers");
    survivors[0]!.count("waits");

    await victim.start();
    await Promise.all(Array.from({ length: 20 }, () => visit(() => pick(servers))));
    await assertAllAgree();
    const inRedis = await countInRedis();
    assert.ok(inRedis >= alive.size && inRedis <= alive.size + unknown, `${alive.size} ≤ ${inRedis} ≤ +${unknown}`);
  });
});

describe("a farm that sweeps", () => {
  test("reports the end of each expired session once", async () => {
    const SESSIONS = 40;
    const store = await startRedis();
    const settings = {
      secret: SECRET,
      redis: { url: store.url, keepExpired: "1h" as const },
      idleTimeout: "1s" as const,
    };
    const servers = await Promise.all(
      Array.from({ length: 3 }, async () => new Server({ ...settings, port: await freePort() })),
    );
    try {
      await Promise.all(servers.map((server) => server.start()));
      await Promise.all(
        Array.from({ length: SESSIONS }, async () => {
          const server = pick(servers);
          await server.send("merge/begin", new Browser<object>());
          server.count("started");
        }),
      );
      await servers[0]!.kill();
      await servers[0]!.start();
      await waitFor("the end of all sessions", async () => (await servers[1]!.prometheus()).alive === 0);
      let swept = 0;
      // One sweep may leave some for the next one.
      await waitFor("the sweeps", async () => {
        const counts = await Promise.all(servers.map((server) => server.send("sweep")));
        for (const [i, count] of counts.entries()) {
          swept += Number(count);
          if (count !== "0") servers[i]!.count("ended.expired", Number(count));
        }
        return swept >= SESSIONS;
      });
      assert.equal(swept, SESSIONS);
      for (const server of servers) await server.assertAgrees();
    } finally {
      await Promise.all(servers.map((server) => server.kill()));
      await store.stop();
    }
  });
});
