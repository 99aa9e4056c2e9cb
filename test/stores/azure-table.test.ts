import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { AzureNamedKeyCredential, generateTableSas, TableClient } from "@azure/data-tables";
import { conformance } from "../../src/conformance/index.ts";
import { OptionError, StoreError } from "../../src/errors.ts";
import { type AzureTableOptions, azureTable, type TableClientLike } from "../../src/stores/azure-table.ts";
import makeStore from "../fixtures/azure/table.ts";
import { startAzurite } from "../servers/azurite.ts";
import { type FaultProxy, startFaultProxy } from "../servers/fault-proxy.ts";

const HOUR = 3_600_000;
const server = await startAzurite();
after(() => server.kill());
const { account, accountKey, endpoint, connectionString } = server;
process.env.TEST_AZURE_TABLE = connectionString;

describe("conformance", () => {
  for (const { name, run } of conformance(makeStore, {
    list: true,
    claimExpired: true,
    watch: false,
    // The emulator measures the request, in which bytes are base64; the service measures the bytes.
    maxValue: 750_000,
    processes: new URL("../fixtures/azure/table.ts", import.meta.url),
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
    ["an endpoint that is no URL", { endpoint: "myaccount" }, /endpoint/],
    ["a table's name that the service refuses", { connectionString, table: "my-table" }, /table.*my-table/],
    ["no connections", { connectionString, maxConnections: 0 }, /maxConnections/],
    ["no time", { connectionString, timeout: 0 }, /timeout/],
  ];
  for (const [what, options, message] of wrong) {
    test(`${what} is refused at once, and secrets stay out of the message`, () => {
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

  test("account and key", () => works(azureTable({ account, endpoint, accountKey })));

  test("a shared access signature, for a table that is there", async () => {
    const sas = generateTableSas("sessions", new AzureNamedKeyCredential(account, accountKey), {
      permissions: { query: true, add: true, update: true, delete: true },
      expiresOn: new Date(Date.now() + HOUR),
    });
    await works(azureTable({ endpoint, sasToken: `?${sas}`, createTable: false }));
  });

  test("a signature that may not create the table says what to do", async () => {
    const sas = generateTableSas("sessions", new AzureNamedKeyCredential(account, accountKey));
    const store = azureTable({ endpoint, sasToken: sas });
    await assert.rejects(store.read("k"), /no permission to create the table "sessions".*createTable/);
    await store.close();
  });

  test("a client that was handed in stays usable after close", async () => {
    const client = tableClient();
    await works(azureTable({ client }));
    await works(azureTable({ client }));
  });

  test("a missing table is an error, never a missing session", async () => {
    const store = azureTable({ connectionString, table: "missing", createTable: false });
    for (const { reason } of await failures(store)) assert.match(String(reason), /TableNotFound/);
    await store.close();
  });
});

describe("what is stored", () => {
  test("values over 64 KiB lie in several properties, and shrink again", async () => {
    const [store, client] = [makeStore(), tableClient()];
    const key = newKey();
    const value = randomBytes(200_000);
    const version = await store.create(key, { value, expiresAt: Date.now() + HOUR });
    const properties = async () => {
      const entity = await client.getEntity(`s${key.slice(-2)}`, key);
      return Object.entries(entity).flatMap(([name, value]) =>
        /^value\d/.test(name) ? [(value as Buffer).length] : [],
      );
    };
    assert.deepEqual(await properties(), [65_536, 65_536, 65_536, 3_392]);
    await store.update(key, { value: Buffer.alloc(5), expiresAt: Date.now() + HOUR }, version);
    assert.deepEqual(await properties(), [5]);
    await store.close();
  });

  test("a value over the service's limit is refused with the limit, and nothing is written", async () => {
    const store = makeStore();
    const key = newKey();
    const session = { value: Buffer.alloc(983_041), expiresAt: Date.now() + HOUR };
    const refusal = { code: "COATCHECK_TOO_LARGE", message: /983041.*983040 bytes; nothing was written/ };
    await assert.rejects(store.create(key, session), refusal);
    const version = await store.create(key, { ...session, value: Buffer.from("small") });
    await assert.rejects(store.update(key, session, version), refusal);
    assert.equal((await store.read(key))?.version, version);
    // The emulator refuses this one, as the service does larger ones.
    await assert.rejects(store.update(key, { ...session, value: Buffer.alloc(900_000) }, version), {
      code: "COATCHECK_TOO_LARGE",
    });
    await store.close();
  });

  test("keys of any characters", async () => {
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
      await store.create(key, { value: Buffer.from(key), expiresAt: Date.now() + HOUR, owner });
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

  test("an entity that is no session is an error", async () => {
    const [store, client] = [makeStore(), tableClient()];
    const key = newKey();
    await client.createEntity({ partitionKey: `s${key.slice(-2)}`, rowKey: key, hello: "world" });
    await assert.rejects(store.read(key), /not a session/);
    await client.deleteEntity(`s${key.slice(-2)}`, key);
    await store.close();
  });
});

describe("an owner's list", () => {
  test("is complete whenever a write is cut off", async () => {
    // Each request fails in turn, before or after the service has done it; then the process is gone.
    for (const done of [false, true]) {
      for (let failing = 0; failing < 8; failing++) {
        const [ann, bob, key] = [newKey(), newKey(), newKey()];
        const store = makeStore();
        const faulty = failingAfter(failing, done);
        const broken = azureTable({ client: faulty.client, createTable: false });
        const session = (owner?: string) => ({
          value: Buffer.from("x"),
          expiresAt: Date.now() + HOUR,
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
          assert.deepEqual(await keysOf(store, name), name === owner ? [key] : [], `request ${failing}, done: ${done}`);
        }
        await Promise.all([store.close(), broken.close()]);
      }
    }
  });

  test("keeps no rows of sessions that are gone, once they are swept", async () => {
    const [store, client] = [makeStore(), tableClient()];
    const owner = newKey();
    const rows = async () => {
      const found = [];
      for await (const row of client.listEntities({ queryOptions: { filter: `PartitionKey eq 'o${owner}'` } }))
        found.push(row);
      return found;
    };
    const long = { value: Buffer.from("x"), expiresAt: Date.now() + HOUR, owner };
    await store.create("deleted", long);
    await store.delete("deleted");
    const version = await store.create("moved", long);
    await store.update("moved", { ...long, owner: newKey() }, version);
    await store.create("claimed", { ...long, expiresAt: Date.now() - 1 });
    await store.claimExpired!(Date.now(), 100);
    assert.deepEqual(await rows(), []);
    await store.delete("moved");

    // What a crash leaves: a row without its session. It is left alone for an hour, since its session may be under way.
    await client.createEntity({ partitionKey: `o${owner}`, rowKey: "lost.link", expiresAt: int64(Date.now() + HOUR) });
    await store.claimExpired!(Date.now(), 100);
    assert.deepEqual(await keysOf(store, owner), []);
    assert.equal((await rows()).length, 1);
    await client.updateEntity({ partitionKey: `o${owner}`, rowKey: "lost.link", expiresAt: int64(Date.now() - 1) });
    await store.claimExpired!(Date.now(), 100);
    assert.deepEqual(await rows(), []);
    await store.close();
  });

  test("keeps the row of a session that lives longer than at first", async () => {
    const [store, client] = [makeStore(), tableClient()];
    const [owner, key] = [newKey(), newKey()];
    await store.create(key, { value: Buffer.from("x"), expiresAt: Date.now() + HOUR, owner });
    await store.touch(key, Date.now() + 20 * HOUR);
    const rows = client.listEntities({ queryOptions: { filter: `PartitionKey eq 'o${owner}'` } });
    for await (const { partitionKey, rowKey } of rows) {
      await client.updateEntity({ partitionKey: partitionKey!, rowKey: rowKey!, expiresAt: int64(Date.now() - 1) });
    }
    assert.deepEqual(await store.claimExpired!(Date.now(), 100), []);
    assert.deepEqual(await keysOf(store, owner), [key]);
    await store.close();
  });
});

describe("behind a network that fails", () => {
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

  test("each method makes one request", async () => {
    await store.read("connect");
    const key = newKey();
    const session = { value: Buffer.from("x"), expiresAt: Date.now() + HOUR };
    const cost = async (call: () => Promise<unknown>) => {
      proxy.requests.length = 0;
      await call();
      return proxy.requests.length;
    };
    let version: unknown;
    assert.equal(await cost(async () => (version = await store.create(key, session))), 1, "create");
    assert.equal(await cost(() => store.read(key)), 1, "read");
    assert.equal(await cost(async () => (version = await store.update(key, session, version as string))), 1, "update");
    assert.equal(await cost(() => store.touch(key, Date.now() + HOUR)), 1, "touch");
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

  test("a create and a touch whose answer is lost are done once, and told so; others are errors", async () => {
    const key = newKey();
    const session = { value: Buffer.from("x"), expiresAt: Date.now() + HOUR, owner: newKey() };
    await store.read("connect");
    loseOnce("POST");
    const first = await store.create(key, session);
    assert.equal((await store.read(key))?.version, first);
    // Somebody may have written over it meanwhile, so that its being refused would mean nothing.
    loseOnce("PUT");
    await assert.rejects(store.update(key, { ...session, owner: newKey() }, first), StoreError);
    assert.notEqual((await store.read(key))?.version, first);
    assert.deepEqual(await keysOf(store, session.owner), []);
    loseOnce("PATCH");
    assert.equal(await store.touch(key, Date.now() + HOUR), true);
    loseOnce("DELETE");
    await assert.rejects(store.delete(key), StoreError);
    assert.equal(await store.read(key), undefined);
  });

  test("a sweep that breaks off hands over what it has removed", async () => {
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

  test("a busy server is asked again", async () => {
    let refusals = 2;
    proxy.fault = () => (refusals-- > 0 ? { status: 503, body: '{"odata.error":{"code":"ServerBusy"}}' } : undefined);
    assert.equal(await store.read("unknown"), undefined);
  });

  test("slow, refusing and confused servers are errors for every method", async () => {
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

  function loseOnce(method: string): void {
    proxy.fault = (request) => {
      if (request.method !== method) return undefined;
      proxy.fault = undefined;
      return "lose the answer";
    };
  }
});

/** What each method throws; undefined for one that does not. */
async function failures(store: ReturnType<typeof azureTable>): Promise<{ call: string; reason: unknown }[]> {
  const session = { value: Buffer.from("x"), expiresAt: Date.now() + HOUR };
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

async function works(store: ReturnType<typeof azureTable>): Promise<void> {
  const key = newKey();
  const version = await store.create(key, { value: Buffer.from("x"), expiresAt: Date.now() + HOUR });
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

/** A client whose requests fail from the given one on, that one itself after it was done if `done`. */
function failingAfter(count: number, done: boolean): { client: TableClientLike } {
  let made = 0;
  const client = new Proxy(tableClient(), {
    get(target, name) {
      const method = Reflect.get(target, name);
      if (typeof method !== "function" || name === "listEntities") return method;
      return async (...args: unknown[]) => {
        made++;
        if (made > count + 1 || (made > count && !done)) throw new Error("gone");
        const answer = await Reflect.apply(method, target, args);
        if (made > count) throw new Error("gone");
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
