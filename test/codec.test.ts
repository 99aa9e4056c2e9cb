import assert from "node:assert/strict";
import { Socket } from "node:net";
import { describe, test } from "node:test";
import fc from "fast-check";
import { decode, encode } from "../src/codec.ts";
import { UnstorableValueError } from "../src/errors.ts";
import { text, value } from "./support/values.ts";

const kept = (value: unknown) => decode(encode("key", value));

function refused(value: unknown, ...parts: string[]) {
  assert.throws(
    () => encode("cart", value),
    (error: unknown) => {
      assert.ok(error instanceof UnstorableValueError, String(error));
      for (const part of ['"cart"', ...parts])
        assert.ok(error.message.includes(part), `${error.message} lacks ${part}`);
      return true;
    },
  );
}

describe("a value", () => {
  test("comes back as it was, whatever it is", () => {
    fc.assert(
      fc.property(value, (value) => assert.deepStrictEqual(kept(value), value)),
      { numRuns: 3_000 },
    );
  });

  test("comes back as it was from inside objects, arrays, Maps and Sets", () => {
    fc.assert(
      fc.property(text, value, value, (name, one, other) => {
        fc.pre(name !== "__proto__"); // refused beside what is not JSON; see below
        for (const whole of [{ [name]: one, other }, [one, other], new Map([[name, one]]), new Set([one, other])]) {
          if (!holdsProtoBesideRich(whole)) assert.deepStrictEqual(kept(whole), whole);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test("of equal shape has an equal text, also after it was decoded: a change is found by comparing texts", () => {
    fc.assert(
      fc.property(value, (value) => assert.equal(encode("key", kept(value)), encode("key", value))),
      { numRuns: 2_000 },
    );
  });

  test("is kept, of every type that is promised", () => {
    const date = new Date(1_700_000_000_123);
    for (const value of [
      ["text", 1.5, true, null, { a: { b: [{}] } }, []],
      [date, new Date(Number.NaN)],
      [new Map<unknown, unknown>([["a", date]]), new Map([[{ key: 1 }, new Set([1])]])],
      [new Set([1, "1", null, undefined])],
      [1n, -(2n ** 200n)],
      [undefined, { a: undefined }],
      [Number.NaN, -0, Infinity, -Infinity],
      [Buffer.from("bytes"), new Uint8Array([0, 255]), new Float64Array([-0, Number.NaN]), new BigInt64Array([-1n])],
      [new DataView(new ArrayBuffer(2)), new ArrayBuffer(3), new Uint8ClampedArray(2), new Int16Array([-1])],
      [Object.assign(Object.create(null), { a: 1 })],
    ]) {
      assert.deepStrictEqual(kept(value), value);
      for (const one of value) assert.deepStrictEqual(kept(one), one);
    }
  });

  test("with holes keeps them apart from undefined", () => {
    // biome-ignore lint/suspicious/noSparseArray: it is what is tested
    const sparse = [1, , undefined, ,];
    assert.deepStrictEqual(kept(sparse), sparse);
    const far: number[] = [];
    far[1_000_000_000] = 1;
    assert.equal((kept(far) as number[]).length, far.length);
    assert.deepEqual(Object.keys(kept(far) as number[]), ["1000000000"]);
    assert.ok(encode("key", far).length < 100);
  });

  test("in a circle comes back in a circle", () => {
    const self: Record<string, unknown> = { name: "self" };
    self.self = self;
    self.list = [self];
    const back = kept(self) as typeof self;
    assert.equal(back.self, back);
    assert.equal((back.list as unknown[])[0], back);

    const map = new Map<string, unknown>();
    map.set("map", new Set([map]));
    const backMap = kept(map) as Map<string, Set<unknown>>;
    assert.ok(backMap.get("map")!.has(backMap));
  });

  test("named like an Object's own method is a value like any other", () => {
    for (const name of ["constructor", "toString", "hasOwnProperty", "valueOf"]) {
      assert.deepStrictEqual(kept({ [name]: 1 }), { [name]: 1 });
      assert.deepStrictEqual(kept({ [name]: new Date(0) }), { [name]: new Date(0) });
    }
  });

  test("under __proto__ stays an own key of JSON data and touches no prototype", () => {
    const back = kept(JSON.parse('{"__proto__":{"polluted":true}}')) as object;
    assert.equal(Object.getPrototypeOf(back), Object.prototype);
    assert.deepEqual(Object.keys(back), ["__proto__"]);
    assert.equal(({} as { polluted?: true }).polluted, undefined);
    refused({ body: JSON.parse('{"__proto__":1}'), at: new Date() }, "__proto__", ".body");
  });
});

/** devalue refuses an own `__proto__`, which plain JSON keeps; generated values may have one inside. */
function holdsProtoBesideRich(value: unknown): boolean {
  try {
    encode("key", value);
    return false;
  } catch (error) {
    assert.match(String(error), /__proto__/);
    return true;
  }
}

describe("a Buffer", () => {
  test("comes back as a Buffer, also an empty one", () => {
    for (const buffer of [Buffer.from("hello"), Buffer.alloc(0), Buffer.alloc(70_000, 7)]) {
      const back = kept(buffer);
      assert.ok(Buffer.isBuffer(back));
      assert.deepStrictEqual(back, buffer);
      assert.ok(Buffer.isBuffer((kept({ in: [buffer] }) as { in: unknown[] }).in[0]));
    }
  });

  test("and any other view keeps its own bytes only, not the pool's around it", () => {
    const pool = Buffer.from("--other people's secrets--mine--other people's secrets--");
    const at = pool.indexOf("mine");
    const views = [
      pool.subarray(at, at + 4),
      new Uint8Array(pool.buffer, pool.byteOffset + at, 4),
      new DataView(pool.buffer, pool.byteOffset + at, 4),
      new Int8Array(pool.buffer, pool.byteOffset + at, 0),
      Buffer.from("small, so it comes from Node's pool"),
      Buffer.from(""),
    ];
    for (const view of views) {
      const back = kept(view) as NodeJS.ArrayBufferView;
      assert.deepStrictEqual(back, view);
      if (!Buffer.isBuffer(back)) assert.equal(back.buffer.byteLength, view.byteLength);
      // In no alignment may the base64 of a neighbour show.
      const decoded = Buffer.from(encode("key", view).replaceAll(/[^\w+/]/g, ""), "base64").toString("latin1");
      assert.ok(!/secret/.test(decoded + encode("key", view)));
      assert.ok(encode("key", view).length < 100);
    }
  });

  test("kept twice is one again", () => {
    const buffer = Buffer.from("a");
    const [one, other] = kept([buffer, buffer, 1n]) as Buffer[];
    assert.equal(one, other);
  });
});

describe("what can't be kept is refused, with the key's name:", () => {
  class Money {
    amount = 1;
  }
  class Basket extends Map<string, number> {}
  class List extends Array<number> {}
  class When extends Date {}
  class Bytes extends Uint8Array {}
  const socket = new Socket();
  const cases: [name: string, value: unknown, ...parts: string[]][] = [
    ["a function", () => 1, "a function"],
    ["a class", Money, "a function"],
    ["a symbol", Symbol("s"), "a symbol"],
    ["an instance of a class", new Money(), "an instance of Money"],
    ["an instance of a class that extends Map", new Basket(), "an instance of Basket"],
    ["an instance of a class that extends Array", List.from([1]), "an instance of List"],
    ["an instance of a class that extends Date", new When(), "an instance of When"],
    ["an instance of a class that extends Uint8Array", new Bytes(2), "an instance of Bytes"],
    ["a nested instance of a class that extends Map", { a: [new Basket()] }, "an instance of Basket"],
    ["a socket", socket, "an instance of Socket"],
    ["an object that holds a socket", { session: { socket } }, "an instance of Socket", ".session.socket"],
    ["a Promise", Promise.resolve(1), "Promise"],
    ["a WeakMap", new WeakMap(), "WeakMap"],
    ["a WeakRef", new WeakRef({}), "WeakRef"],
    ["an Error", new Error("no"), "Error"],
    ["an iterator", [1].values(), "Iterator"],
    ["a generator", (function* () {})(), "not plain"],
    ["memory shared among threads", new Uint8Array(new SharedArrayBuffer(2)), "SharedArrayBuffer"],
    ["a deeply nested function", { a: [new Map([["k", { f: () => 1 }]])] }, "a function", '.a[0].get("k").f'],
    ["a function as the key of a Map", new Map([[() => 1, 1]]), "a function"],
    ["a function in a Set", new Set([() => 1]), "a function"],
    ["a method", { name: "x", save() {} }, "a function", ".save"],
    ["a toJSON, which would keep something else", { toJSON: () => 1 }, "a function", ".toJSON"],
    ["a symbol as a key", { [Symbol("s")]: 1 }, "symbol"],
    ["a getter that throws", { get a() { throw new Error("broken getter"); } }, "broken getter"], // biome-ignore format: one line a case
  ];
  for (const [name, value, ...parts] of cases) test(name, () => refused(value, ...parts));

  test("nesting so deep that it could not be read again", () => {
    const nested = (depth: number, wrap: (inner: unknown) => unknown) => {
      let value: unknown = "core";
      for (let i = 0; i < depth; i++) value = wrap(value);
      return value;
    };
    const wraps = [
      (inner: unknown) => [inner],
      (inner: unknown) => ({ inner }),
      (inner: unknown) => new Map([["inner", inner]]),
      (inner: unknown) => new Map([[inner, "inner"]]),
      (inner: unknown) => new Set([inner]),
    ];
    for (const wrap of wraps) {
      assert.deepEqual(kept(nested(31, wrap)), nested(31, wrap));
      const deep = nested(400, wrap);
      assert.equal(encode("key", kept(deep)), encode("key", deep));
      for (const depth of [1_000, 2_000, 5_000, 100_000]) refused(nested(depth, wrap), "deep");
    }
    // A long list of neighbours that know each other is deep too.
    interface Node {
      next?: Node;
      previous?: Node;
    }
    const first: Node = {};
    for (let i = 0, last = first; i < 5_000; i++) last = last.next = { previous: last };
    refused(first, "deep");
  });
});

describe("a text that no value has", () => {
  test("throws, and neither crashes nor hangs", () => {
    const broken = [
      "",
      "~",
      "{",
      "~{}",
      "~[]",
      "~[[1]]",
      '~[["Map",1]]',
      '~[["Buffer",0]]',
      '~[["View",0]]',
      "~-2",
      "~7",
      "~null",
      "undefined",
      "\0",
    ];
    for (const text of broken) assert.throws(() => decode(text), text);
  });

  test("is never anything but an error or a value", () => {
    const piece = fc.constantFrom('"', "[", "]", "{", "}", ",", ":", "0", "1", "-1", "-7", "65536", '"Map"', '"Set"', '"Buffer"', '"View"', '"Object"', '"ArrayBuffer"', '"Uint8Array"', '"__proto__"', '"="', "null"); // biome-ignore format: a list
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 16 }), (pieces) => {
        for (const text of [pieces.join(""), `~${pieces.join("")}`, `~[[${pieces.join(",")}]]`]) {
          try {
            decode(text);
          } catch (error) {
            assert.ok(error instanceof Error);
          }
        }
        assert.deepEqual(Object.keys(Object.prototype), []);
      }),
      { numRuns: 5_000 },
    );
  });

  test("cut anywhere throws or is another value, and never takes long", () => {
    const whole = encode("key", {
      a: [new Map([[1n, new Date(0)]]), new Set(["x"]), Buffer.from("bytes"), new Float32Array(2)],
    });
    for (let length = 0; length < whole.length; length++) {
      assert.throws(() => decode(whole.slice(0, length)), `the first ${length} characters`);
    }
  });
});
