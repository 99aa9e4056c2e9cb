// The Azure Table store, against the emulator.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { inspect } from "node:util";
import { AzureNamedKeyCredential, generateTableSas, TableClient } from "@azure/data-tables";
import { conformance } from "../../../src/conformance/index.ts";
import { OptionError, StoreError } from "../../../src/errors.ts";
import { type AzureTableOptions, azureTable, type TableClientLike } from "../../../src/stores/azure-table/index.ts";
import makeStore from "../../fixtures/azure/table.ts";
import { loadedPackages } from "../../fixtures/sql/kit.ts";
import { startAzurite } from "../../servers/azurite.ts";
import { type FaultProxy, startFaultProxy } from "../../servers/fault-proxy.ts";

const HOUR_MS = 3_600_000;
const server = await startAzurite();
after(() => server.kill());
const { account, accountKey, endpoint, connectionString } = server;
process.env.TEST_AZURE_TABLE = connectionString;

describe("conformance", () => {
  for (const { name, run } of conformance(makeStore, {
    list: true,
    claimExpired: true,
    watch: false,
    // The emulator limits the size of the request, with the value in base64. The service limits the size of the value.
    maxValue: 750_000,
    processes: new URL("../../fixtures/azure/table.ts", import.meta.url),
    outage: { stop: () => server.stop(), start: () => server.start(), within: 5_000 },
  })) {
    test(name, run);
  }
});

describe("options", () => {
  const wrong: [string, AzureTableOptions, RegExp][] = [
    ["no way to connect", {}, /connectionString/],
    ["two ways to connect", { connectionString, account }, /connectionString/],
    ["two credentials", { account, accountKey, sasToken: "sv=1" }, /accountKey/],
    ["a key without its account", { endpoint, accountKey }, /account/],
    ["an endpoint that is not a URL", { endpoint: "myaccount" }, /endpoint/],
    ["a table name that the service refuses", { connectionString, table: "my-table" }, /table.*my-table/],
    ["no connections", { connectionString, maxConnections: 0 }, /maxConnections/],
    ["no time", { connectionString, timeout: 0 }, /timeout/],
  ];
  for (const [what, options, message] of wrong) {
    test(`${what} is refused by the factory, without secrets in the message`, () => {
      assert.throws(
        () => azureTable(options),
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
    const { port } = new URL(endpoint);
    for (const options of [
      { connectionString: `AccountName=x;AccountKey=c2VrcmV0;TableEndpoint=http://u:sekret@localhost:1/x` },
      { connectionString: "AccountName=x;AccountKey=sekret" },
      { connectionString: "sekret" },
      { endpoint: "http://u:sekret@localhost:1", sasToken: "sv=1&sig=sekret" },
      { endpoint: `http://127.0.0.1:${port}/x?sig=sekret`, sasToken: "sv=1&sig=sekret" },
      { account: "x:sekret@y", accountKey: "c2VrcmV0" },
    ]) {
      let error: unknown;
      try {
        const store = azureTable({ ...options, timeout: "1s" });
        error = await store.read("k").catch((error) => error);
        await store.close();
      } catch (refusal) {
        error = refusal;
      }
      assert.ok(error instanceof StoreError || error instanceof OptionError, inspect(error));
      const shown = inspect(error, { depth: 9 });
      assert.ok(!shown.includes("sekret") && !shown.includes("c2VrcmV0"), shown);
    }
  });

  test("the packages are loaded when the store is made", async () => {
    const index = new URL("../../../src/stores/azure-table/index.ts", import.meta.url);
    const [table, identity] = ["@azure/data-tables", "@azure/identity"];
    for (const [code, packages] of [
      ['azureTable({ account: "x" })', [table, identity]],
      ['azureTable({ account: "x", accountKey: "eA==" })', [table]],
      ["azureTable({ client: {} })", []],
    ] as const) {
      assert.deepEqual(await loadedPackages([table, identity], index, code), [[], packages]);
    }
  });

  test("account and key", () => assertWorks(azureTable({ account, endpoint, accountKey })));

  test("a shared access signature, for a table that exists", async () => {
    const sas = generateTableSas("sessions", new AzureNamedKeyCredential(account, accountKey), {
      permissions: { query: true, add: true, update: true, delete: true },
      expiresOn: new Date(Date.now() + HOUR_MS),
    });
    await assertWorks(azureTable({ endpoint, sasToken: `?${sas}`, createTable: false }));
  });

  test("a signature that does not allow creating the table is an error that says what to do", async () => {
    const sas = generateTableSas("sessions", new AzureNamedKeyCredential(account, accountKey));
    const store = azureTable({ endpoint, sasToken: sas });
    await assert.rejects(store.read("k"), /no permission to create the table "sessions".*createTable/);
    await store.close();
  });

  test("a client of the application stays usable after close", async () => {
    const client = tableClient();
    await assertWorks(azureTable({ client }));
    await assertWorks(azureTable({ client }));
  });

  test("a missing table is an error, never a missing session", async () => {
    const store = azureTable({ connectionString, table: "missing", createTable: false });
    for (const { reason } of await failures(store)) assert.match(String(reason), /TableNotFound/);
    await store.close();
  });
});

describe("stored entities", () => {
  test("values over 64 KiB are split into several properties, and shrink again", async () => {
    const [store, client] = [makeStore(), tableClient()];
    const key = newKey();
    const value = randomBytes(200_000);
    const version = await store.create(key, { value, expiresAt: Date.now() + HOUR_MS });
    const properties = async () => {
      const entity = await client.getEntity(`s${key.slice(-2)}`, key);
      return Object.entries(entity).flatMap(([name, value]) =>
        /^value\d/.test(name) ? [(value as Buffer).length] : [],
      );
    };
    assert.deepEqual(await properties(), [65_536, 65_536, 65_536, 3_392]);
    await store.update(key, { value: Buffer.alloc(5), expiresAt: Date.now() + HOUR_MS }, version);
    assert.deepEqual(await properties(), [5]);
    await store.close();
  });

  test("a value over the limit is refused with the limit, and nothing is written", async () => {
    const store = makeStore();
    const key = newKey();
    const session = { value: Buffer.alloc(983_041), expiresAt: Date.now() + HOUR_MS };
    const refusal = { code: "COATCHECK_TOO_LARGE", message: /983041.*983040 bytes; nothing was written/ };
    await assert.rejects(store.create(key, session), refusal);
    const version = await store.create(key, { ...session, value: Buffer.from("small") });
    await assert.rejects(store.update(key, session, version), refusal);
    assert.equal((await store.read(key))?.version, version);
    // The emulator refuses this one, as the service refuses larger ones.
    await assert.rejects(store.update(key, { ...session, value: Buffer.alloc(900_000) }, version), {
      code: "COATCHECK_TOO_LARGE",
    });
    await store.close();
  });

  test("keys may have any characters", async () => {
    const store = makeStore();
    const owner = newKey();
    const id = newKey();
    const keys = [
      `${id}/a`,
      `${id}\\b`,
      `${id}#c?d`,
      `${id}'e`,
      `${id}%f`,
      `${id}\u0000\u001f\u007f`,
      `${id}é😀`,
      `~${id}`,
    ];
    keys.push("", id.repeat(50));
    for (const key of keys) {
      await store.delete(key);
      await store.create(key, { value: Buffer.from(key), expiresAt: Date.now() + HOUR_MS, owner });
    }
    for (const key of keys) assert.deepEqual(Buffer.from((await store.read(key))!.value), Buffer.from(key));
    const seen = [];
    for await (const { key } of store.list!({ owner })) seen.push(key);
    assert.deepEqual(seen.sort(), [...keys].sort());
    for (const key of keys) await store.touch(key, Date.now() - 1);
    const claimed = await store.claimExpired!(Date.now(), 1000);
    for (const key of keys)
      assert.ok(
        claimed.some((session) => session.key === key),
        JSON.stringify(key),
      );
    await store.close();
  });

  test("an entity that is not a session is an error", async () => {
    const [store, client] = [makeStore(), tableClient()];
    const key = newKey();
    await client.createEntity({ partitionKey: `s${key.slice(-2)}`, rowKey: key, hello: "world" });
    await assert.rejects(store.read(key), /not a session/);
    await client.deleteEntity(`s${key.slice(-2)}`, key);
    await store.close();
  });
});

describe("the index of an owner", () => {
  test("is complete, whichever request of a write fails", async () => {
    // Each request fails in turn, before or after the service has applied it, and so do all that follow.
    for (const isApplied of [false, true]) {
      for (let failing = 0; failing < 8; failing++) {
        const [ann, bob, key] = [newKey(), newKey(), newKey()];
        const store = makeStore();
        const { client } = failingFrom(failing, isApplied);
        const broken = azureTable({ client, createTable: false });
        const session = (owner?: string) => ({
          value: Buffer.from("x"),
          expiresAt: Date.now() + HOUR_MS,
          ...(owner && { owner }),
        });
        try {
          const first = await broken.create(key, session(ann));
          const second = await broken.update(key, session(bob), first);
          const third = await broken.update(key, session(), second);
          await broken.update(key, session(ann), third);
          await broken.delete(key);
        } catch (error) {
          assert.ok(error instanceof StoreError);
        }
        const owner = (await store.read(key))?.owner;
        for (const name of [ann, bob]) {
          assert.deepEqual(
            await keysOf(store, name),
            name === owner ? [key] : [],
            `request ${failing}, applied: ${isApplied}`,
          );
        }
        await Promise.all([store.close(), broken.close()]);
      }
    }
  });

  test("has no rows of ended sessions after a sweep", async () => {
    const [store, client] = [makeStore(), tableClient()];
    const owner = newKey();
    const rows = async () => {
      const found = [];
      for await (const row of client.listEntities({ queryOptions: { filter: `PartitionKey eq 'o${owner}'` } }))
        found.push(row);
      return found;
    };
    const long = { value: Buffer.from("x"), expiresAt: Date.now() + HOUR_MS, owner };
    await store.create("deleted", long);
    await store.delete("deleted");
    const version = await store.create("moved", long);
    await store.update("moved", { ...long, owner: newKey() }, version);
    await store.create("claimed", { ...long, expiresAt: Date.now() - 1 });
    await store.claimExpired!(Date.now(), 100);
    assert.deepEqual(await rows(), []);
    await store.delete("moved");

    // A crash leaves a row without a session. The sweep keeps it for an hour, since its session may be about to be written.
    await client.createEntity({
      partitionKey: `o${owner}`,
      rowKey: "lost.link",
      expiresAt: int64(Date.now() + HOUR_MS),
    });
    await store.claimExpired!(Date.now(), 100);
    assert.deepEqual(await keysOf(store, owner), []);
    assert.equal((await rows()).length, 1);
    await client.updateEntity({ partitionKey: `o${owner}`, rowKey: "lost.link", expiresAt: int64(Date.now() - 1) });
    await store.claimExpired!(Date.now(), 100);
    assert.deepEqual(await rows(), []);
    await store.close();
  });

  test("keeps the row of a session whose expiry has moved", async () => {
    const [store, client] = [makeStore(), tableClient()];
    const [owner, key] = [newKey(), newKey()];
    await store.create(key, { value: Buffer.from("x"), expiresAt: Date.now() + HOUR_MS, owner });
    await store.touch(key, Date.now() + 20 * HOUR_MS);
    const rows = client.listEntities({ queryOptions: { filter: `PartitionKey eq 'o${owner}'` } });
    for await (const { partitionKey, rowKey } of rows) {
      await client.updateEntity({ partitionKey: partitionKey!, rowKey: rowKey!, expiresAt: int64(Date.now() - 1) });
    }
    assert.deepEqual(await store.claimExpired!(Date.now(), 100), []);
    assert.deepEqual(await keysOf(store, owner), [key]);
    await store.close();
  });
});

describe("faults", () => {
  let proxy: FaultProxy;
  let store: ReturnType<typeof azureTable>;
  before(async () => {
    proxy = await startFaultProxy(server.port);
  });
  after(() => proxy.stop());
  beforeEach(() => {
    proxy.fault = undefined;
    store = azureTable({ account, accountKey, endpoint: `http://127.0.0.1:${proxy.port}/${account}`, timeout: 500 });
  });
  afterEach(() => store.close());

  test("each method sends one request", async () => {
    await store.read("connect");
    const key = newKey();
    const session = { value: Buffer.from("x"), expiresAt: Date.now() + HOUR_MS };
    const cost = async (call: () => Promise<unknown>) => {
      proxy.requests.length = 0;
      await call();
      return proxy.requests.length;
    };
    let version: unknown;
    assert.equal(await cost(async () => (version = await store.create(key, session))), 1, "create");
    assert.equal(await cost(() => store.read(key)), 1, "read");
    assert.equal(await cost(async () => (version = await store.update(key, session, version as string))), 1, "update");
    assert.equal(await cost(() => store.touch(key, Date.now() + HOUR_MS)), 1, "touch");
    assert.equal(await cost(() => store.delete(key, version as string)), 1, "delete");
    const owned = { ...session, owner: newKey() };
    assert.equal(await cost(async () => (version = await store.create(key, owned))), 2, "create with owner");
    assert.equal(
      await cost(async () => (version = await store.update(key, owned, version as string))),
      1,
      "same owner",
    );
    assert.equal(await cost(() => store.update(key, { ...owned, owner: newKey() }, version as string)), 3, "new owner");
    assert.equal(await cost(() => store.delete(key)), 2, "delete with owner");
  });

  test("a create and a touch whose answer is lost succeed and are applied once; other writes are errors", async () => {
    const key = newKey();
    const session = { value: Buffer.from("x"), expiresAt: Date.now() + HOUR_MS, owner: newKey() };
    await store.read("connect");
    loseAnswerOnce("POST");
    const first = await store.create(key, session);
    assert.equal((await store.read(key))?.version, first);
    // Another process may have written since, so a repeated update that is refused would prove nothing.
    loseAnswerOnce("PUT");
    await assert.rejects(store.update(key, { ...session, owner: newKey() }, first), StoreError);
    assert.notEqual((await store.read(key))?.version, first);
    assert.deepEqual(await keysOf(store, session.owner), []);
    loseAnswerOnce("PATCH");
    assert.equal(await store.touch(key, Date.now() + HOUR_MS), true);
    loseAnswerOnce("DELETE");
    await assert.rejects(store.delete(key), StoreError);
    assert.equal(await store.read(key), undefined);
  });

  test("a sweep that fails returns the sessions that it has removed", async () => {
    const keys = Array.from({ length: 5 }, newKey);
    const ended = { value: Buffer.from("x"), expiresAt: Date.now() - 1 };
    for (const key of keys) await store.create(key, ended);
    let passing = 2;
    proxy.fault = ({ method }) => (method === "DELETE" && passing-- <= 0 ? "cut" : undefined);
    const first = (await store.claimExpired!(Date.now(), 100)).map(({ key }) => key);
    assert.equal(first.length, 2);
    await assert.rejects(store.claimExpired!(Date.now(), 100), StoreError);
    proxy.fault = undefined;
    const second = (await store.claimExpired!(Date.now(), 100)).map(({ key }) => key);
    assert.deepEqual([...first, ...second].sort(), keys.sort());
  });

  test("an error says what is certain of a write, and whether reads go on", async () => {
    await store.read("connect");
    const key = newKey();
    const session = { value: Buffer.from("x"), expiresAt: Date.now() + HOUR_MS };
    const version = await store.create(key, session);
    const refusal = (status: number, code: string) => ({ status, body: `{"odata.error":{"code":"${code}"}}` });
    for (const [fault, applied, refusesWrites] of [
      [refusal(403, "AuthorizationPermissionMismatch"), false, true],
      [refusal(403, "InsufficientAccountPermissions"), false, true],
      [refusal(403, "AuthenticationFailed"), false, undefined],
      [refusal(404, "TableNotFound"), false, undefined],
      [refusal(429, "TooManyRequests"), false, undefined],
      [refusal(408, "OperationTimedOut"), undefined, undefined],
      [refusal(500, "InternalError"), undefined, undefined],
      ["lose the answer", undefined, undefined],
      [{ delay: 700 }, undefined, undefined],
    ] as const) {
      proxy.fault = ({ method }) => (method === "GET" ? undefined : fault);
      for (const call of [() => store.create(newKey(), session), () => store.update(key, session, version)]) {
        const error = await errorOf(call());
        assert.deepEqual([error.applied, error.refusesWrites], [applied, refusesWrites], JSON.stringify(fault));
      }
      proxy.fault = () => fault;
      const error = await errorOf(store.read(key));
      assert.deepEqual([error.applied, error.refusesWrites], [false, undefined]);
    }
    await proxy.stop();
    for (const call of [() => store.create(newKey(), session), () => store.delete(key)]) {
      assert.equal((await errorOf(call())).applied, false, "there is no server");
    }
    await proxy.start();
  });

  test("a later refusal does not deny a write whose answer was lost", async () => {
    await store.read("connect");
    for (const later of [403, 500]) {
      let isLost = false;
      proxy.fault = ({ method }) => {
        if (method === "POST" && !isLost) {
          isLost = true;
          return "lose the answer";
        }
        // The create that is repeated, or the read after it.
        return later === 403 || method === "GET" ? { status: later } : undefined;
      };
      const session = { value: Buffer.from("x"), expiresAt: Date.now() + HOUR_MS };
      assert.equal((await errorOf(store.create(newKey(), session))).applied, undefined);
    }
  });

  test("many sessions are deleted concurrently, each by one call", async () => {
    const owner = newKey();
    const keys = Array.from({ length: 64 }, newKey);
    const session = { value: Buffer.from("x"), expiresAt: Date.now() + HOUR_MS, owner };
    const patient = azureTable({ connectionString });
    await Promise.all(keys.map((key) => patient.create(key, session)));
    const answers = await Promise.all([...keys, ...keys].map((key) => patient.delete(key)));
    assert.equal(answers.filter(Boolean).length, 64);
    assert.deepEqual(await keysOf(patient, owner), []);
    await patient.close();
  });

  test("sessions live and end by the service's clock", async () => {
    for (const offset of [-HOUR_MS, HOUR_MS]) {
      const moved = azureTable({ account, accountKey, endpoint: `http://127.0.0.1:${proxy.port}/${account}` });
      proxy.fault = () => (answer) => ({
        ...answer,
        headers: { ...answer.headers, date: new Date(Date.now() + offset).toUTCString() },
      });
      const now = await moved.time!();
      assert.ok(Math.abs(now - Date.now() - offset) < 60_000);
      const [ended, alive, owner] = [newKey(), newKey(), newKey()];
      const session = (expiresAt: number) => ({ value: Buffer.from("x"), expiresAt, owner });
      await moved.create(ended, session(now - 10_000));
      const version = await moved.create(alive, session(now + 600_000));
      assert.equal(await moved.read(ended), undefined);
      assert.equal(await moved.touch(ended, now + 600_000), false);
      assert.deepEqual(await keysOf(moved, owner), [alive]);
      // Another process has no state of these sessions.
      const other = azureTable({ account, accountKey, endpoint: `http://127.0.0.1:${proxy.port}/${account}` });
      assert.equal(await other.delete(ended), false);
      assert.equal(await other.touch(alive, now + 600_000), true);
      assert.equal(typeof (await other.update(alive, session(now + 600_000), version as string)), "string");
      // A caller whose own clock is ahead ends nothing that lives.
      const claimed = (await other.claimExpired!(now + 2 * HOUR_MS, 1_000)).map(({ key }) => key);
      assert.deepEqual([claimed.includes(ended), claimed.includes(alive)], [true, false]);
      assert.equal(await other.delete(alive), true);
      await Promise.all([moved.close(), other.close()]);
    }
  });

  test("the service's time costs a request only if no answer has told it", async () => {
    const fresh = azureTable({
      account,
      accountKey,
      endpoint: `http://127.0.0.1:${proxy.port}/${account}`,
      createTable: false,
    });
    proxy.requests.length = 0;
    await fresh.time!();
    assert.equal(proxy.requests.length, 1);
    await fresh.time!();
    assert.equal(proxy.requests.length, 1);
    await fresh.close();
  });

  test("a request to a busy service is repeated", async () => {
    let refusals = 2;
    proxy.fault = () => (refusals-- > 0 ? { status: 503, body: '{"odata.error":{"code":"ServerBusy"}}' } : undefined);
    assert.equal(await store.read("unknown"), undefined);
  });

  test("slow, refusing and confused services are errors for every method", async () => {
    await store.read("connect");
    for (const fault of [
      { delay: 700 },
      { status: 500 },
      { status: 403, body: '{"odata.error":{"code":"AuthenticationFailed"}}' },
      { status: 404, body: "<h1>Not Found</h1>", headers: { "content-type": "text/html" } },
      { status: 409, body: '{"odata.error":{"code":"TableBeingDeleted"}}' },
      { status: 200, body: "<h1>Sign in to the hotel's network</h1>", headers: { "content-type": "text/html" } },
      "cut",
    ] as const) {
      proxy.fault = () => fault;
      for (const { call, reason } of await failures(store)) {
        assert.ok(reason instanceof StoreError, `${call} with ${JSON.stringify(fault)}`);
      }
    }
  });

  function loseAnswerOnce(method: string): void {
    proxy.fault = (request) => {
      if (request.method !== method) return undefined;
      proxy.fault = undefined;
      return "lose the answer";
    };
  }
});

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
async function failures(store: ReturnType<typeof azureTable>): Promise<{ call: string; reason: unknown }[]> {
  const session = { value: Buffer.from("x"), expiresAt: Date.now() + HOUR_MS };
  const calls = {
    read: () => store.read("k"),
    create: () => store.create("k", session),
    update: () => store.update("k", session, "v"),
    delete: () => store.delete("k"),
    touch: () => store.touch("k", Date.now()),
    list: () => keysOf(store),
    claimExpired: () => store.claimExpired!(Date.now(), 10),
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

async function assertWorks(store: ReturnType<typeof azureTable>): Promise<void> {
  const key = newKey();
  const version = await store.create(key, { value: Buffer.from("x"), expiresAt: Date.now() + HOUR_MS });
  assert.equal((await store.read(key))?.version, version);
  assert.equal(await store.delete(key), true);
  await store.close();
}

async function keysOf(store: ReturnType<typeof azureTable>, owner?: string): Promise<string[]> {
  const keys = [];
  for await (const { key } of store.list!(owner === undefined ? {} : { owner })) keys.push(key);
  return keys;
}

function tableClient(): TableClient {
  return TableClient.fromConnectionString(connectionString, "sessions", { allowInsecureConnection: true });
}

/** A client whose requests fail from number `first` on. If `isApplied`, the service applies that one before it fails. */
function failingFrom(first: number, isApplied: boolean): { client: TableClientLike } {
  let sent = 0;
  const client = new Proxy(tableClient(), {
    get(target, name) {
      const method = Reflect.get(target, name);
      if (typeof method !== "function" || name === "listEntities") return method;
      return async (...args: unknown[]) => {
        const number = sent++;
        if (number > first || (number === first && !isApplied)) throw new Error("connection lost");
        const answer = await Reflect.apply(method, target, args);
        if (number === first) throw new Error("connection lost");
        return answer;
      };
    },
  });
  return { client };
}

function newKey(): string {
  return randomBytes(18).toString("base64url");
}

function int64(instant: number): { type: "Int64"; value: string } {
  return { type: "Int64", value: String(instant) };
}
