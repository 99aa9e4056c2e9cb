// The unstorage store: conformance, and its own behaviour.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { conformance } from "../../../src/conformance/index.ts";
import { OptionError } from "../../../src/errors.ts";
import { createSessions } from "../../../src/index.ts";
import type { SessionStore } from "../../../src/store.ts";
import { fromUnstorage, type UnstorageLike } from "../../../src/stores/unstorage/index.ts";
import { tempDir } from "../../servers/process.ts";

const HOUR = 3_600_000;

const unstorage = await load<{ createStorage(options?: object): UnstorageLike }>("unstorage");
const fsDriver = await load<{ default(options: { base: string }): object }>("unstorage/drivers/fs-lite");
describe("unstorage: conformance", { skip: unstorage === undefined && "unstorage is not installed" }, () => {
  const inMemory = unstorage?.createStorage();
  describe("memory", () => suite(() => fromUnstorage(inMemory!)));
  const inFiles = unstorage?.createStorage({ driver: fsDriver!.default({ base: tempDir("unstorage") }) });
  describe("files", () => suite(() => fromUnstorage(inFiles!)));
});

describe("a plain storage with unstorage's interface: conformance", () => {
  const storage = plainStorage();
  suite(() => fromUnstorage(storage));
});

describe("fromUnstorage", () => {
  test("has atomic: false", () => {
    assert.equal(fromUnstorage(plainStorage()).atomic, false);
  });

  test("gives the driver a time to live that is not shorter than the session's", async () => {
    const ttls: (number | undefined)[] = [];
    const storage = plainStorage();
    const setItem = storage.setItem;
    storage.setItem = (key, value, options) => {
      ttls.push(options.ttl);
      return setItem(key, value, options);
    };
    const store = fromUnstorage(storage);
    for (const life of [-5, 1, 1_900, 30 * 24 * HOUR]) await store.create(newKey(), session("x", Date.now() + life));
    assert.deepEqual(ttls, [1, 1, 2, undefined]);
  });

  test("two bases are two stores", async () => {
    const storage = plainStorage();
    const [a, b] = [fromUnstorage(storage, { base: "app:a" }), fromUnstorage(storage, { base: "app:b" })];
    await a.create("k", session("in a"));
    assert.equal(await b.read("k"), undefined);
    assert.deepEqual([await listed(a), await listed(b)], [["k"], []]);
    assert.deepEqual(await storage.getKeys(""), ["app:a:k"]);
  });

  test("a sweep that fails returns the sessions that it has removed", async () => {
    const storage = plainStorage();
    const store = fromUnstorage(storage);
    const keys = [newKey(), newKey(), newKey()];
    for (const key of keys) await store.create(key, session("x", Date.now() - 1));
    const { removeItem } = storage;
    let passing = 2;
    storage.removeItem = async (key) => {
      if (passing-- <= 0) throw new Error("the driver is down");
      return removeItem(key);
    };
    const first = await store.claimExpired!(Date.now(), 10);
    assert.equal(first.length, 2);
    await assert.rejects(store.claimExpired!(Date.now(), 10), /the driver is down/);
    storage.removeItem = removeItem;
    const second = await store.claimExpired!(Date.now(), 10);
    assert.deepEqual([...first, ...second].map(({ key }) => key).sort(), keys.sort());
  });

  test("a driver that drops writes is an error", async () => {
    const store = fromUnstorage({ ...plainStorage(), setItem: async () => {} });
    await assert.rejects(store.create("k", session()), /read-only/);
  });

  test("an object that is not a storage is refused, and so is a base with other characters", () => {
    assert.throws(() => fromUnstorage({} as UnstorageLike), OptionError);
    for (const base of ["", ":", "a/b", "a:", "a?b"]) {
      assert.throws(() => fromUnstorage(plainStorage(), { base }), OptionError, base);
    }
  });

  test("works under the core", () => serves(fromUnstorage(plainStorage())));
});

/** Leaves out the cases with several processes: between those, the last writer wins. */
function suite(makeStore: () => SessionStore): void {
  for (const { name, run } of conformance(makeStore, { list: true, claimExpired: true, watch: false })) test(name, run);
}

async function serves(store: SessionStore): Promise<void> {
  const sessions = createSessions<{ user?: string }>({ store, secret: "a secret of at least 32 characters" });
  const first = await sessions.open("");
  first.data.user = "ann";
  const [setCookie] = await first.commit();
  const second = await sessions.open(setCookie!.split(";")[0]!);
  assert.equal(second.data.user, "ann");
  await second.destroy();
  await second.commit();
  const third = await sessions.open(setCookie!.split(";")[0]!);
  assert.equal(third.data.user, undefined);
  await sessions.close();
}

function plainStorage(): UnstorageLike {
  const data = new Map<string, string>();
  return {
    getItem: async (key) => JSON.parse(data.get(key) ?? "null"),
    setItem: async (key, value) => void data.set(key, JSON.stringify(value)),
    removeItem: async (key) => void data.delete(key),
    getKeys: async (base) => [...data.keys()].filter((key) => key.startsWith(base)),
  };
}

async function load<Module>(name: string): Promise<Module | undefined> {
  return import(name).catch(() => undefined);
}

async function listed(store: SessionStore): Promise<string[]> {
  const keys = [];
  for await (const { key } of store.list!({})) keys.push(key);
  return keys;
}

function session(text = "coat", expiresAt = Date.now() + HOUR) {
  return { value: Buffer.from(text), expiresAt };
}

function newKey(): string {
  return randomBytes(18).toString("base64url");
}
