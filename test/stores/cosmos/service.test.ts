// The Cosmos DB store, against an emulator behind a proxy that injects what the emulator lacks.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { Agent } from "node:https";
import { after, afterEach, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { inspect } from "node:util";
import { CosmosClient } from "@azure/cosmos";
import { OptionError, StoreError } from "../../../src/errors.ts";
import type { SessionStore, Version } from "../../../src/store.ts";
import { type CosmosOptions, cosmos, type RequestCharge } from "../../../src/stores/cosmos/index.ts";
import { loadedPackages } from "../../fixtures/sql/kit.ts";
import { startCosmos } from "../../servers/cosmos.ts";
import type { Fault, ProxiedRequest } from "../../servers/fault-proxy.ts";
import { waitFor } from "../../servers/process.ts";

// The proxy injects throttling, lagging replicas, regions and faults.

const HOUR_MS = 3_600_000;
const server = await startCosmos();
const secure = await startCosmos({ tls: true });
after(() => Promise.all([server.close(), secure.close()]));
const { endpoint, key: accountKey } = server;

const stores: SessionStore[] = [];
function open(options: CosmosOptions = {}): SessionStore {
  const store = cosmos({ endpoint, key: accountKey, endpointDiscovery: false, ...options });
  stores.push(store);
  return store;
}

beforeEach(() => {
  server.fault = undefined;
  secure.fault = undefined;
});
afterEach(() => Promise.all(stores.splice(0).map((store) => store.close())));

describe("options", () => {
  const wrong: [string, CosmosOptions, RegExp][] = [
    ["no way to connect", {}, /"endpoint"/],
    ["two ways to connect", { endpoint, connectionString: "x" }, /"endpoint"/],
    ["an endpoint that is not a URL", { endpoint: "myaccount" }, /"endpoint".*myaccount/],
    ["two credentials", { endpoint, key: accountKey, credential: credential() }, /"key"/],
    ["a database name that the service refuses", { endpoint, database: "a/b" }, /"database".*a\/b/],
    ["a container name that the service refuses", { endpoint, container: "" }, /"container"/],
    ["no connections", { endpoint, maxConnections: 0 }, /"maxConnections"/],
    ["half a retry", { endpoint, maxThrottleRetries: 0.5 }, /"maxThrottleRetries"/],
    ["too little throughput", { endpoint, throughput: { max: 1 } }, /"throughput"/],
    ["no time", { endpoint, requestTimeout: 0 }, /"requestTimeout"/],
  ];
  for (const [what, options, message] of wrong) {
    test(`${what} is refused by the factory, without secrets in the message`, () => {
      assert.throws(
        () => cosmos(options),
        (error: Error) => {
          assert.ok(error instanceof OptionError);
          assert.match(error.message, message);
          assert.ok(!error.message.includes(accountKey));
          return true;
        },
      );
    });
  }

  test("no error shows a credential that stands in the wrong place", async () => {
    for (const options of [
      { endpoint: "https://u:sekret@localhost:1", key: "c2VrcmV0" },
      { endpoint: "http://localhost:1/?sig=sekret", key: "c2VrcmV0" },
      { endpoint: "http://localhost:1", key: "sekret" },
      { connectionString: "AccountEndpoint=http://u:sekret@localhost:1;AccountKey=c2VrcmV0" },
      { connectionString: "AccountEndpoint=http://localhost:1;AccountKey=c2VrcmV0" },
      { connectionString: "AccountKey=c2VrcmV0" },
    ]) {
      let error: unknown;
      try {
        const store = open({ ...options, requestTimeout: 500, maxThrottleWait: 500 });
        error = await store.read("k").catch((error) => error);
      } catch (refusal) {
        error = refusal;
      }
      assert.ok(error instanceof StoreError || error instanceof OptionError, inspect(error));
      const shown = inspect(error, { depth: 9 });
      assert.ok(!shown.includes("sekret") && !shown.includes("c2VrcmV0"), shown);
    }
  });

  test("the packages are loaded when the store is made", async () => {
    const index = new URL("../../../src/stores/cosmos/index.ts", import.meta.url);
    const [service, identity] = ["@azure/cosmos", "@azure/identity"];
    for (const [code, packages] of [
      ['cosmos({ endpoint: "https://x" })', [service, identity]],
      ['cosmos({ endpoint: "https://x", key: "eA==" })', [service]],
      ["cosmos({ client: { database() {} } })", []],
    ] as const) {
      assert.deepEqual(await loadedPackages([service, identity], index, code), [[], packages]);
    }
  });

  test("a connection string", () =>
    assertWorks(
      cosmos({
        connectionString: `AccountEndpoint=${endpoint};AccountKey=${accountKey};`,
        endpointDiscovery: false,
      }),
    ));

  test("a client of the application stays usable after close", async () => {
    const client = new CosmosClient({
      endpoint,
      key: accountKey,
      connectionPolicy: { enableEndpointDiscovery: false },
    });
    await assertWorks(cosmos({ client }));
    await assertWorks(cosmos({ client }));
    client.dispose();
  });

  test("https trusts only the certificates that the agent trusts", async () => {
    const agent = trusting();
    await assertWorks(cosmos({ endpoint: secure.endpoint, key: accountKey, agent }));
    agent.destroy();
    await assert.rejects(open({ endpoint: secure.endpoint }).read("k"), /unable to verify|self-signed|local issuer/);
  });

  test("a credential instead of a key", async () => {
    const agent = trusting();
    await assertWorks(cosmos({ endpoint: secure.endpoint, credential: credential(), agent }));
    const { authorization } = secure.requests.at(-1)!.headers;
    assert.equal(decodeURIComponent(authorization!), "type=aad&ver=1.0&sig=a-token");
    agent.destroy();
  });

  test("opens at most maxConnections connections", async () => {
    setDefaultCACertificates([secure.ca!]);
    const store = open({ endpoint: secure.endpoint, maxConnections: 3 });
    await store.read("connect");
    secure.fault = () => ({ delay: 20 });
    const many = Promise.all(Array.from({ length: 12 }, () => store.read("k")));
    const seen = [];
    for (let round = 0; round < 10; round++) {
      await sleep(10);
      seen.push(secure.connections);
    }
    await many;
    setDefaultCACertificates(getCACertificates("bundled"));
    assert.equal(Math.max(...seen), 3);
    await store.close();
    await waitFor("close() to end the connections", () => secure.connections === 0);
  });

  test("reads go to the preferred region, and writes to the write region", async () => {
    const near = await startCosmos({ tls: true });
    const agent = trusting();
    const regions = (request: ProxiedRequest): Fault =>
      request.path === "/"
        ? ({ body, ...rest }) => ({
            ...rest,
            body: JSON.stringify({
              ...JSON.parse(body.toString()),
              readableLocations: [
                { name: "Far", databaseAccountEndpoint: secure.endpoint },
                { name: "Near", databaseAccountEndpoint: near.endpoint },
              ],
              writableLocations: [{ name: "Far", databaseAccountEndpoint: secure.endpoint }],
            }),
          })
        : undefined;
    secure.fault = regions;
    // The near region has no data and answers 404. The store verifies that with the write region.
    const settings = { endpoint: secure.endpoint, agent, endpointDiscovery: true };
    await open(settings).read("create");
    await open({ ...settings, endpoint: near.endpoint }).read("create");
    const store = open({ ...settings, preferredLocations: ["Near", "Far"] });
    await store.read("connect");
    near.requests.length = secure.requests.length = 0;
    await store.create(newKey(), session());
    await store.touch("k", Date.now());
    assert.deepEqual(methods(near), []);
    assert.deepEqual(methods(secure), ["POST", "PATCH"]);
    await store.read("k");
    assert.deepEqual(methods(near), ["GET"]);
    await near.close();
    agent.destroy();
  });

  test("an account that writes in several regions is refused", async () => {
    const agent = trusting();
    secure.fault = ({ path }) =>
      path !== "/"
        ? undefined
        : ({ body, ...rest }) => ({
            ...rest,
            body: JSON.stringify({ ...JSON.parse(body.toString()), enableMultipleWriteLocations: true }),
          });
    const store = open({ endpoint: secure.endpoint, agent, endpointDiscovery: true });
    await assert.rejects(store.read("k"), /writes in several regions/);
    agent.destroy();
  });
});

describe("the database and the container", () => {
  test("are created when missing, indexing only the owner", async () => {
    server.requests.length = 0;
    await open({ database: "fresh", throughput: 5000 }).read("k");
    const [database, container] = server.requests.filter(({ method }) => method === "POST");
    assert.deepEqual(JSON.parse(database!.body.toString()), { id: "fresh" });
    assert.deepEqual(JSON.parse(container!.body.toString()), {
      id: "sessions",
      partitionKey: { paths: ["/id"] },
      defaultTtl: -1,
      indexingPolicy: {
        indexingMode: "consistent",
        automatic: true,
        includedPaths: [{ path: "/owner/?" }],
        excludedPaths: [{ path: "/*" }],
      },
    });
    assert.equal(container!.headers["x-ms-offer-throughput"], "5000");
  });

  test("scale up to a maximum throughput, and index the expiry with claimExpired", async () => {
    server.requests.length = 0;
    await open({ database: "scaling", throughput: { max: 4000 }, claimExpired: true }).read("k");
    const container = server.requests.findLast(({ method, path }) => method === "POST" && path.endsWith("/colls"))!;
    assert.deepEqual(JSON.parse(String(container.headers["x-ms-cosmos-offer-autopilot-settings"])), {
      maxThroughput: 4000,
    });
    const { includedPaths } = JSON.parse(container.body.toString()).indexingPolicy;
    assert.deepEqual(includedPaths, [{ path: "/owner/?" }, { path: "/expires/?" }]);
  });

  test("cost one request if they exist, and are created once by concurrent stores", async () => {
    const many = Array.from({ length: 5 }, () => open({ database: "busy" }));
    await Promise.all(many.map((store) => store.read("k")));
    const store = open({ database: "busy" });
    server.requests.length = 0;
    await store.touch("k", Date.now() + HOUR_MS);
    assert.deepEqual(methods(server), ["GET", "PATCH"]);
  });

  test("with create: false, are an error when missing", async () => {
    for (const { call, reason } of await failures(open({ database: "missing", create: false }))) {
      assert.ok(reason instanceof StoreError, call);
    }
  });

  test("without permission to create them, the message says what to create", async () => {
    server.fault = ({ method }) => (method === "POST" ? { status: 403, body: '{"message":"RBAC"}' } : undefined);
    await assert.rejects(open({ database: "forbidden" }).read("k"), /no permission.*"forbidden".*partition key \/id/);
  });

  test("an unsuitable container is refused with the reason", async () => {
    const client = new CosmosClient({
      endpoint,
      key: accountKey,
      connectionPolicy: { enableEndpointDiscovery: false },
    });
    const { database } = await client.databases.createIfNotExists({ id: "others" });
    await database.containers.create({ id: "keyed", partitionKey: { paths: ["/user"] }, defaultTtl: -1 });
    await database.containers.create({ id: "eternal", partitionKey: { paths: ["/id"] } });
    await assert.rejects(open({ database: "others", container: "keyed" }).read("k"), /"keyed".*\/user.*\/id/);
    await assert.rejects(open({ database: "others", container: "eternal" }).read("k"), /"eternal".*-1/);
    client.dispose();
  });

  test("a connection that has failed is tried again", async () => {
    const store = open({ database: "late" });
    server.fault = () => ({ status: 500, body: "{}" });
    await assert.rejects(store.read("k"), StoreError);
    server.fault = undefined;
    assert.equal(await store.read("k"), undefined);
  });
});

describe("stored items", () => {
  test("the service's time to live is never shorter than the session's", async () => {
    for (const [options, grace] of [
      [{}, 0],
      [{ claimExpired: true }, HOUR_MS],
    ] as const) {
      const store = open(options);
      for (const life of [1, 999, 1_000, 1_500, HOUR_MS, 1e13]) {
        server.requests.length = 0;
        const key = newKey();
        const before = Date.now();
        const version = (await store.create(key, session({ expiresAt: before + life }))) as Version;
        if (life >= HOUR_MS) {
          await store.update(key, session({ expiresAt: before + life }), version);
          await store.touch(key, before + life);
        }
        for (const { body } of server.requests.filter(({ path }) => path.includes("/docs"))) {
          const item = JSON.parse(body.toString());
          const ttl = item.ttl ?? item.operations.find(({ path }: { path: string }) => path === "/ttl").value;
          const least = Math.min((before + life + grace - Date.now()) / 1000, 2_147_483_647);
          assert.ok(Number.isInteger(ttl) && ttl >= least && ttl <= least + 3, `${ttl} for ${life} ms`);
        }
      }
    }
  });

  test("without claimExpired, only the service deletes ended sessions", () => {
    assert.equal(open().claimExpired, undefined);
    assert.equal(typeof open({ claimExpired: true }).claimExpired, "function");
  });

  test("a value over the limit is refused with the limit, and nothing is written", async () => {
    const store = open();
    const key = newKey();
    const refusal = { code: "COATCHECK_TOO_LARGE", message: /1500001.*1500000 bytes; nothing was written/ };
    await assert.rejects(store.create(key, session({ value: Buffer.alloc(1_500_001) })), refusal);
    const version = (await store.create(key, session({ value: Buffer.alloc(1_500_000) }))) as Version;
    await assert.rejects(store.update(key, session({ value: Buffer.alloc(1_500_001) }), version), refusal);
    assert.equal((await store.read(key))?.version, version);
    server.fault = () => ({ status: 413, body: '{"message":"Request size is too large"}' });
    await assert.rejects(store.update(key, session(), version), { code: "COATCHECK_TOO_LARGE" });
  });

  test("keys may have any characters", async () => {
    const store = open({ claimExpired: true, container: "characters" });
    const id = newKey();
    const keys = [
      `${id}/a`,
      `${id}\\b`,
      `${id}#c?d`,
      `${id}'e"`,
      `${id}%f`,
      `${id}\u0000\u001f`,
      `${id}é😀`,
      `~${id}`,
      "",
    ];
    keys.push(id.repeat(50));
    for (const key of keys) await store.create(key, session({ value: Buffer.from(key), owner: id }));
    for (const key of keys) assert.deepEqual(Buffer.from((await store.read(key))!.value), Buffer.from(key));
    assert.deepEqual((await listed(store, id)).sort(), [...keys].sort());
    for (const key of keys) await store.touch(key, Date.now() - 1);
    const claimed = await store.claimExpired!(Date.now(), 1000);
    assert.deepEqual(claimed.map(({ key }) => key).sort(), [...keys].sort());
  });

  test("an item that is not a session is an error", async () => {
    const client = new CosmosClient({
      endpoint,
      key: accountKey,
      connectionPolicy: { enableEndpointDiscovery: false },
    });
    const store = open();
    await store.read("connect");
    await client.database("coatcheck").container("sessions").items.create({ id: "stranger", hello: "world" });
    await assert.rejects(store.read("stranger"), /"stranger" is not a session/);
    client.dispose();
  });

  test("a version of another store is a conflict, whatever it contains", async () => {
    const store = open();
    const key = newKey();
    await store.create(key, session());
    for (const version of [1, "", "' or true or c.v = '", "0".repeat(24)]) {
      assert.equal(await store.update(key, session({ value: Buffer.from("changed") }), version), "conflict");
      assert.equal(await store.update(newKey(), session(), version), "gone");
    }
    assert.equal(Buffer.from((await store.read(key))!.value).toString(), "coat");
  });
});

describe("requests", () => {
  test("each method sends one, and a read that finds nothing sends two", async () => {
    const store = open();
    await store.read("connect");
    const cost = async (call: () => Promise<unknown>) => {
      server.requests.length = 0;
      await call();
      return methods(server);
    };
    const key = newKey();
    let version: Version = "";
    const owned = session({ owner: "ann" });
    assert.deepEqual(await cost(async () => (version = await store.create(key, owned))), ["POST"]);
    assert.deepEqual(await cost(() => store.read(key)), ["GET"]);
    assert.deepEqual(await cost(async () => (version = await store.update(key, owned, version))), ["PATCH"]);
    assert.deepEqual(await cost(() => store.touch(key, Date.now() + HOUR_MS)), ["PATCH"]);
    assert.deepEqual(await cost(() => store.delete(key, version)), ["GET", "DELETE"]);
    assert.deepEqual(await cost(() => store.read(key)), ["GET", "PATCH"]);
    const strong = open({ consistencyLevel: "BoundedStaleness" });
    await strong.read("connect");
    assert.deepEqual(await cost(() => strong.read(key)), ["GET"]);
  });

  test("are reported with their cost, including refused ones", async () => {
    const charges: RequestCharge[] = [];
    const store = open({ onRequestCharge: (charge) => charges.push(charge), claimExpired: true, database: "charged" });
    const key = newKey();
    await store.create(key, session());
    await store.create(key, session());
    await store.update(key, session(), "0".repeat(24));
    await store.touch(key, Date.now() + HOUR_MS);
    await store.delete(key);
    await listed(store, "ann");
    await store.claimExpired!(Date.now(), 1);
    assert.ok(charges.every(({ requestUnits }) => requestUnits > 0));
    assert.deepEqual(
      charges.map(({ operation }) => operation),
      [
        "connect",
        "connect",
        "create",
        "create",
        "create",
        "update",
        "update",
        "touch",
        "delete",
        "delete",
        "list",
        "claimExpired",
      ],
    );
  });

  test("use session consistency, or the level of the options", async () => {
    await open().read("k");
    assert.equal(server.requests.at(-1)!.headers["x-ms-consistency-level"], "Session");
    await open({ consistencyLevel: "Strong" }).read("k");
    assert.equal(server.requests.at(-1)!.headers["x-ms-consistency-level"], "Strong");
  });

  test("a replica that has not received a session yet does not end it", async () => {
    const store = open();
    const key = newKey();
    const version = await store.create(key, session());
    const token = {
      "x-ms-session-token": "0:-1#7",
      "x-ms-alt-content-path": "dbs/coatcheck/colls/sessions",
      "x-ms-content-path": "gAABAIAAAAE=",
    };
    const lag = () => {
      server.requests.length = 0;
      let lagging = true;
      server.fault = ({ method }) => {
        if (method === "GET" && lagging) {
          lagging = false;
          return { status: 404, body: '{"code":"NotFound","message":""}' };
        }
        return (answer) => ({ ...answer, headers: { ...answer.headers, ...token } });
      };
    };
    lag();
    assert.equal((await store.read(key))?.version, version);
    assert.deepEqual(methods(server), ["GET", "PATCH", "GET"]);
    // With the session token of the refused write, the replica waits until it has the newest state.
    assert.equal(server.requests[2]!.headers["x-ms-session-token"], "0:-1#7");
    lag();
    assert.equal(await store.create(key, session()), "exists");
    lag();
    assert.equal(await store.delete(key), true);
  });
});

describe("faults", () => {
  test("a throttled request is repeated after the delay that the service asks for", async () => {
    const store = open();
    await store.read("connect");
    const key = newKey();
    throttle(3, 20);
    const version = (await store.create(key, session())) as Version;
    throttle(3, 20);
    assert.equal((await store.read(key))?.version, version);
    // A request that is repeated too early is refused again.
    const end = performance.now() + 250;
    server.fault = () => (performance.now() < end ? throttled(300) : undefined);
    server.requests.length = 0;
    assert.notEqual(await store.update(key, session(), version), "conflict");
    assert.deepEqual(methods(server), ["PATCH", "PATCH"]);
  });

  test("throttling is limited by a number of retries, and by a time", async () => {
    const store = open({ maxThrottleRetries: 2 });
    await store.read("connect");
    throttle(1000, 1);
    server.requests.length = 0;
    await assert.rejects(store.touch("k", Date.now()), /429.*more throughput/);
    assert.equal(server.requests.length, 3);

    server.fault = undefined;
    const hasty = open({ maxThrottleWait: 200 });
    await hasty.read("connect");
    throttle(1000, 100);
    server.requests.length = 0;
    await assert.rejects(hasty.touch("k", Date.now()), /429/);
    assert.equal(server.requests.length, 3);
  });

  test("a create and a touch whose answer is lost succeed and are applied once; other writes are errors", async () => {
    const store = open();
    await store.read("connect");
    const key = newKey();
    loseAnswerOnce("POST");
    const first = (await store.create(key, session())) as Version;
    assert.equal((await store.read(key))?.version, first);
    // Another process may have written since, so a repeated update that is refused would prove nothing.
    loseAnswerOnce("PATCH");
    await assert.rejects(store.update(key, session(), first), StoreError);
    assert.notEqual((await store.read(key))?.version, first);
    loseAnswerOnce("PATCH");
    assert.equal(await store.touch(key, Date.now() + HOUR_MS), true);
    loseAnswerOnce("DELETE");
    await assert.rejects(store.delete(key), StoreError);
    assert.equal(await store.read(key), undefined);
  });

  test("an error says what is certain of a write, and whether reads go on", async () => {
    const store = open({ requestTimeout: 400, maxThrottleWait: 100, maxThrottleRetries: 0 });
    await store.read("connect");
    const key = newKey();
    const version = (await store.create(key, session())) as Version;
    const refusal = (status: number, substatus = 0) => ({
      status,
      body: '{"message":"refused"}',
      headers: { "x-ms-substatus": String(substatus) },
    });
    for (const [fault, applied, refusesWrites] of [
      [refusal(403, 3), false, true],
      [refusal(403), false, undefined],
      [refusal(401), false, undefined],
      [refusal(404, 1003), false, undefined],
      [refusal(429), false, undefined],
      [refusal(408), undefined, undefined],
      [refusal(449), undefined, undefined],
      [refusal(500), undefined, undefined],
      ["lose the answer", undefined, undefined],
      [{ delay: 800 }, undefined, undefined],
    ] as const) {
      server.fault = () => fault;
      for (const call of [() => store.create(newKey(), session()), () => store.update(key, session(), version)]) {
        const error = await errorOf(call());
        assert.deepEqual([error.applied, error.refusesWrites], [applied, refusesWrites], JSON.stringify(fault));
      }
      const error = await errorOf(store.read(key));
      assert.deepEqual([error.applied, error.refusesWrites], [false, undefined], JSON.stringify(fault));
    }
    await server.stop();
    for (const call of [() => store.create(newKey(), session()), () => store.delete(key)]) {
      assert.equal((await errorOf(call())).applied, false, "there is no server");
    }
    await server.start();
  });

  test("a later refusal does not deny a write whose answer was lost", async () => {
    const store = open();
    await store.read("connect");
    for (const later of [403, 500]) {
      let isLost = false;
      server.fault = ({ method }) => {
        if (method === "POST" && !isLost) {
          isLost = true;
          return "lose the answer";
        }
        // The create that is repeated, or the read after it.
        return later === 403 || method === "GET" ? { status: later, body: "{}" } : undefined;
      };
      assert.equal((await errorOf(store.create(newKey(), session()))).applied, undefined);
    }
  });

  test("many sessions are deleted concurrently, each by one call", async () => {
    const store = open({ container: "deleted", requestTimeout: "30s" });
    const keys = Array.from({ length: 64 }, newKey);
    await Promise.all(keys.map((key) => store.create(key, session({ owner: "ann" }))));
    const answers = await Promise.all([...keys, ...keys].map((key) => store.delete(key)));
    assert.equal(answers.filter(Boolean).length, 64);
    assert.deepEqual(await listed(store, "ann"), []);
  });

  test("sessions live and end by the service's clock", async () => {
    for (const offset of [-HOUR_MS, HOUR_MS]) {
      const container = `clock ${offset}`;
      server.fault = () => (answer) => ({
        ...answer,
        headers: { ...answer.headers, date: new Date(Date.now() + offset).toUTCString() },
      });
      const store = open({ container, claimExpired: true });
      const now = await store.time!();
      assert.ok(Math.abs(now - Date.now() - offset) < 60_000);
      const [ended, alive] = [newKey(), newKey()];
      await store.create(ended, session({ expiresAt: now - 10_000, owner: "ann" }));
      server.requests.length = 0;
      await store.create(alive, session({ expiresAt: now + 600_000, owner: "ann" }));
      const { ttl } = JSON.parse(server.requests[0]!.body.toString());
      assert.ok(ttl >= 600 + 3_600 && ttl < 660 + 3_600, `a time to live of ${ttl} s`);
      assert.equal(await store.read(ended), undefined);
      assert.deepEqual(await listed(store, "ann"), [alive]);
      // Another process has had no answer yet when it sends its first condition.
      const version = (await store.read(alive))!.version;
      assert.equal(await open({ container, claimExpired: true }).touch(ended, now + 600_000), false);
      const update = open({ container, claimExpired: true }).update(
        alive,
        session({ expiresAt: now + 600_000 }),
        version,
      );
      assert.equal(typeof (await update), "string");
      assert.notEqual(await update, "gone");
      assert.equal(await open({ container, claimExpired: true }).delete(ended), false);
      // A caller whose own clock is ahead ends nothing that lives.
      const claimed = (await store.claimExpired!(now + 2 * HOUR_MS, 100)).map(({ key }) => key);
      assert.deepEqual(claimed, [ended]);
      assert.equal(await store.delete(alive), true);
    }
  });

  test("the service's time costs no request once the store has connected", async () => {
    const store = open();
    await store.time!();
    server.requests.length = 0;
    await store.time!();
    assert.deepEqual(methods(server), []);
  });

  test("a sweep may take longer than the time limit of one request", async () => {
    const before = open({ claimExpired: true, container: "long" });
    const ended = () => before.create(newKey(), session({ expiresAt: Date.now() - 1 }));
    await ended();
    await Promise.all(Array.from({ length: 119 }, ended));
    const store = open({ claimExpired: true, container: "long", requestTimeout: 1_500, maxThrottleWait: 1_500 });
    // A page of 100 is removed 16 at a time, which takes longer than the time limit of one request.
    server.fault = ({ method }) => (method === "DELETE" ? { delay: 300 } : undefined);
    assert.equal((await store.claimExpired!(Date.now(), 1_000)).length, 120);
  });

  test("a sweep that fails returns the sessions that it has removed", async () => {
    const store = open({ claimExpired: true, container: "swept" });
    const keys = Array.from({ length: 5 }, newKey);
    for (const key of keys) await store.create(key, session({ expiresAt: Date.now() - 1 }));
    let passing = 2;
    server.fault = ({ method }) => (method === "DELETE" && passing-- <= 0 ? "cut" : undefined);
    const first = (await store.claimExpired!(Date.now(), 100)).map(({ key }) => key);
    assert.equal(first.length, 2);
    await assert.rejects(store.claimExpired!(Date.now(), 100), StoreError);
    server.fault = undefined;
    const second = (await store.claimExpired!(Date.now(), 100)).map(({ key }) => key);
    assert.deepEqual([...first, ...second].sort(), keys.sort());
  });

  test("slow, refusing and confused services are errors for every method", { timeout: 60_000 }, async () => {
    const store = open({ requestTimeout: 300, maxThrottleWait: 300, maxThrottleRetries: 1, claimExpired: true });
    await store.read("connect");
    // Longer than the store waits, so the client must not get to repeat the request.
    const longThrottle = throttled(2_000);
    const faults: Fault[] = [
      { delay: 1_000 },
      { status: 408, body: '{"message":"Request timeout"}' },
      longThrottle,
      { status: 500, body: "{}" },
      { status: 503, body: '{"message":"Service unavailable"}' },
      { status: 503, body: "" },
      { status: 401, body: '{"message":"wrong key"}' },
      { status: 404, body: '{"message":"no such container"}', headers: { "x-ms-substatus": "1003" } },
      { status: 404, body: '{"message":"replica lags"}', headers: { "x-ms-substatus": "1002" } },
      { status: 404, body: "<h1>Not Found</h1>" },
      { status: 200, body: "<h1>Sign in to the hotel's network</h1>" },
      "cut",
    ];
    for (const fault of faults) {
      server.fault = () => fault;
      for (const { call, reason } of await failures(store)) {
        assert.ok(reason instanceof StoreError, `${call} with ${JSON.stringify(fault)}: ${reason}`);
        if (fault === longThrottle) assert.match(reason.message, /within 600 ms/);
      }
    }
    server.fault = undefined;
    await assertWorks(store);
  });
});

function throttle(times: number, retryAfterMs: number): void {
  server.fault = () => (times-- > 0 ? throttled(retryAfterMs) : undefined);
}

function throttled(retryAfterMs: number): Fault {
  const headers = { "x-ms-retry-after-ms": String(retryAfterMs) };
  return { status: 429, body: '{"message":"Request rate is large"}', headers };
}

function loseAnswerOnce(method: string): void {
  server.fault = (request) => {
    if (request.method !== method) return undefined;
    server.fault = undefined;
    return "lose the answer";
  };
}

/** The error of a call that must fail. */
async function errorOf(call: Promise<unknown>): Promise<StoreError> {
  const error = await call.then(
    () => assert.fail("the call must fail"),
    (error) => error,
  );
  assert.ok(error instanceof StoreError, inspect(error));
  return error;
}

/** The error of each method; undefined for one that succeeds. */
async function failures(store: SessionStore): Promise<{ call: string; reason: unknown }[]> {
  const calls = {
    read: () => store.read("k"),
    create: () => store.create("k", session()),
    update: () => store.update("k", session(), "0".repeat(24)),
    "update from an unknown version": () => store.update("k", session(), 1),
    delete: () => store.delete("k"),
    touch: () => store.touch("k", Date.now()),
    list: () => listed(store),
    ...(store.claimExpired && { claimExpired: () => store.claimExpired!(Date.now(), 10) }),
  };
  return Promise.all(
    Object.entries(calls).map(async ([call, run]) => ({
      call,
      reason: await run().then(
        () => undefined,
        (error) => error,
      ),
    })),
  );
}

async function assertWorks(store: SessionStore): Promise<void> {
  const key = newKey();
  const version = await store.create(key, session());
  assert.equal((await store.read(key))?.version, version);
  assert.equal(await store.delete(key), true);
  await store.close();
}

async function listed(store: SessionStore, owner?: string): Promise<string[]> {
  const keys = [];
  for await (const { key } of store.list!(owner === undefined ? {} : { owner })) keys.push(key);
  return keys;
}

function methods({ requests }: { requests: ProxiedRequest[] }): string[] {
  return requests.map(({ method }) => method);
}

function session(over: { value?: Uint8Array; expiresAt?: number; owner?: string } = {}) {
  return { value: Buffer.from("coat"), expiresAt: Date.now() + HOUR_MS, ...over };
}

function newKey(): string {
  return randomBytes(18).toString("base64url");
}

function trusting(): Agent {
  return new Agent({ ca: secure.ca, keepAlive: true });
}

function credential() {
  return { getToken: async () => ({ token: "a-token", expiresOnTimestamp: Date.now() + HOUR_MS }) };
}
