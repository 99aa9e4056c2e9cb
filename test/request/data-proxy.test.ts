// Tests of session.data: what keys from outside can reach, and how it is cloned.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { serialize } from "node:v8";
import { createSessions } from "../../src/index.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { Browser } from "../support/browser.ts";
import { SECRET } from "../support/stores.ts";

type Data = Record<string, unknown>;

const VALUES: Data = {
  user: { name: "ann", tags: ["a"] },
  items: [{ id: 1 }],
  name: "ann",
  views: 1,
  big: 1n,
  yes: true,
  nothing: null,
  map: new Map([["a", 1]]),
  set: new Set([1]),
  when: new Date(0),
  bytes: Buffer.from("small enough for Node's pool"),
  floats: new Float64Array(2),
  pattern: /x/g,
  link: new URL("https://example.com/"),
  bare: Object.assign(Object.create(null), { a: 1 }),
};

function setUp() {
  const sessions = createSessions<Data>({ store: memory(), secret: SECRET, initial: { list: [], settings: {} } });
  return new Browser(sessions);
}

const SHARED = [
  Object,
  Function,
  Array,
  String,
  Number,
  BigInt,
  Boolean,
  Map,
  Set,
  Date,
  RegExp,
  URL,
  Buffer,
  Uint8Array,
]
  .flatMap((type) => [type, type.prototype])
  .concat(Object.getPrototypeOf(Uint8Array), ArrayBuffer, ArrayBuffer.prototype) as object[];

/** Every property of the objects that all requests share, and of what they hold: object, name, and what is there. */
function sharedState(): unknown[] {
  const seen = new Set<object>();
  const state: unknown[] = [];
  const add = (one: unknown) => {
    if ((typeof one !== "object" && typeof one !== "function") || one === null || seen.has(one)) return;
    seen.add(one);
    state.push(one, Object.getPrototypeOf(one));
    for (const name of Reflect.ownKeys(one)) {
      const { value, get, set } = Object.getOwnPropertyDescriptor(one, name)!;
      state.push(name, value, get, set);
      if (SHARED.includes(one)) add(value);
    }
  };
  for (const one of SHARED) add(one);
  return state;
}

const NAMES = [...new Set(SHARED.flatMap((one) => Object.getOwnPropertyNames(one)).concat("x", "0", "user", "list"))];

describe("a key that comes from outside", () => {
  test("and another one reach nothing that requests share: session.data[key][name] = value", async () => {
    const browser = setUp();
    await browser.request(({ data }) => void Object.assign(data, VALUES));
    const before = sharedState();
    for (const value of ["polluted", { polluted: true }, null]) {
      const { data } = await browser.open();
      for (const key of [...Object.keys(VALUES), ...NAMES]) {
        for (const name of NAMES) {
          try {
            (data[key] as Data)[name] = value;
          } catch (error) {
            assert.ok(error instanceof TypeError || error instanceof RangeError, String(error));
          }
        }
      }
      const after = sharedState();
      assert.equal(after.length, before.length);
      assert.ok(after.every((one, i) => Object.is(one, before[i])));
      assert.equal(({} as Data).polluted, undefined);
    }
    assert.deepEqual({ ...(await browser.open()).data }, VALUES);
  });

  test("leads to a method of every object, and from there nowhere", async () => {
    const { data } = await setUp().open();
    const found: string[] = [];
    for (const key of NAMES) {
      const method = data[key];
      if (typeof method !== "function") continue;
      found.push(key);
      for (const name of NAMES) {
        const reached = (method as unknown as Data)[name];
        assert.ok(
          reached === undefined || typeof reached === "string" || typeof reached === "number",
          `${key}.${name}`,
        );
      }
    }
    assert.deepEqual(found.sort(), [
      "hasOwnProperty",
      "isPrototypeOf",
      "propertyIsEnumerable",
      "toLocaleString",
      "toString",
      "valueOf",
    ]);
  });

  test("is set as a key like any other where it names such a method", async () => {
    const browser = setUp();
    await browser.request(({ data }) => {
      Object.assign(data, { toString: "mine", hasOwnProperty: null });
    });
    const { data } = await browser.open();
    assert.equal(data.toString, "mine");
    assert.equal(data.hasOwnProperty, null);
    assert.equal((data.propertyIsEnumerable as (key: string) => boolean)("toString"), true);
  });
});

describe("session.data", () => {
  test("of two requests has no value in common, also where it is an initial one, or lies in Node's pool", async () => {
    const browser = setUp();
    await browser.request(({ data }) => void Object.assign(data, VALUES));
    const [one, other] = [await browser.open(), await browser.open()];
    for (const key of [...Object.keys(VALUES), "list", "settings"]) {
      const [first, second] = [one.data[key], other.data[key]];
      if (typeof first === "object" && first !== null) assert.notEqual(first, second, key);
      if (ArrayBuffer.isView(first)) assert.equal(first.buffer.byteLength, first.byteLength, key);
    }
  });

  test("is cloned as a copy of it; the error for the Proxy itself says so", async () => {
    const browser = setUp();
    await browser.request(({ data }) => void Object.assign(data, VALUES));
    const { data } = await browser.open();
    // structuredClone refuses a URL, and changes the types of the other two.
    const { link: _link, bare: _bare, bytes: _bytes, ...cloneable } = { ...data };
    assert.deepEqual(structuredClone(cloneable), cloneable);
    const saysWhatToDo = /clone \{ \.\.\.session\.data \} instead.*could not be cloned/;
    assert.throws(() => structuredClone(data), saysWhatToDo);
    assert.throws(() => structuredClone({ deep: [data] }), saysWhatToDo);
    assert.throws(() => serialize(data), saysWhatToDo);
    const { port1 } = new MessageChannel();
    assert.throws(() => port1.postMessage(data), saysWhatToDo);
    port1.close();
  });
});
