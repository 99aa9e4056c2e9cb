// Tests of the value codec: values as text, and back.

import assert from "node:assert/strict";
import { Socket } from "node:net";
import { describe, test } from "node:test";
import { SessionTooLargeError, UnstorableValueError } from "../../src/errors.ts";
import { decode, encode } from "../../src/records/value-codec.ts";
import fc, { runs } from "../support/random.ts";
import { text, value } from "../support/values.ts";

const roundTrip = (value: unknown) => decode(encode("key", value));

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
  test("comes back equal, whatever it is", () => {
    fc.assert(
      fc.property(value, (value) => assert.deepStrictEqual(roundTrip(value), value)),
      { numRuns: runs(3_000) },
    );
  });

  test("comes back equal from inside objects, arrays, Maps and Sets", () => {
    fc.assert(
      fc.property(text, value, value, (name, one, other) => {
        fc.pre(name !== "__proto__"); // refused beside values that are not JSON; see below
        for (const whole of [{ [name]: one, other }, [one, other], new Map([[name, one]]), new Set([one, other])]) {
          if (!holdsProtoBesideRich(whole)) assert.deepStrictEqual(roundTrip(whole), whole);
        }
      }),
      { numRuns: runs(1_000) },
    );
  });

  test("has the same text again after it was decoded: changes are found by comparing texts", () => {
    fc.assert(
      fc.property(value, (value) => assert.equal(encode("key", roundTrip(value)), encode("key", value))),
      { numRuns: runs(2_000) },
    );
  });

  test("comes back equal, for every documented type", () => {
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
      assert.deepStrictEqual(roundTrip(value), value);
      for (const one of value) assert.deepStrictEqual(roundTrip(one), one);
    }
  });

  test("that is circular comes back circular", () => {
    const self: Record<string, unknown> = { name: "self" };
    self.self = self;
    self.list = [self];
    const back = roundTrip(self) as typeof self;
    assert.equal(back.self, back);
    assert.equal((back.list as unknown[])[0], back);

    const map = new Map<string, unknown>();
    map.set("map", new Set([map]));
    const backMap = roundTrip(map) as Map<string, Set<unknown>>;
    assert.ok(backMap.get("map")!.has(backMap));
  });

  test("under the name of an Object method is a value like any other", () => {
    for (const name of ["constructor", "toString", "hasOwnProperty", "valueOf"]) {
      assert.deepStrictEqual(roundTrip({ [name]: 1 }), { [name]: 1 });
      assert.deepStrictEqual(roundTrip({ [name]: new Date(0) }), { [name]: new Date(0) });
    }
  });

  test("under __proto__ stays an own key of JSON data, and changes no prototype", () => {
    const back = roundTrip(JSON.parse('{"__proto__":{"polluted":true}}')) as object;
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
      const back = roundTrip(buffer);
      assert.ok(Buffer.isBuffer(back));
      assert.deepStrictEqual(back, buffer);
      assert.ok(Buffer.isBuffer((roundTrip({ in: [buffer] }) as { in: unknown[] }).in[0]));
    }
  });

  test("and any other view stores only its own bytes, not the pool around it", () => {
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
      const back = roundTrip(view) as NodeJS.ArrayBufferView;
      assert.deepStrictEqual(back, view);
      if (!Buffer.isBuffer(back)) assert.equal(back.buffer.byteLength, view.byteLength);
      // The base64 text must not show neighbouring bytes, in any alignment.
      const decoded = Buffer.from(encode("key", view).replaceAll(/[^\w+/]/g, ""), "base64").toString("latin1");
      assert.ok(!/secret/.test(decoded + encode("key", view)));
      assert.ok(encode("key", view).length < 100);
    }
  });

  test("comes back in memory of its own, not in the pool that all requests share", () => {
    for (const text of ["", "a", "x".repeat(5_000)]) {
      assert.equal((roundTrip(Buffer.from(text)) as Buffer).buffer.byteLength, text.length);
    }
  });

  test("that occurs twice comes back as one object", () => {
    const buffer = Buffer.from("a");
    const [one, other] = roundTrip([buffer, buffer, 1n]) as Buffer[];
    assert.equal(one, other);
  });
});

describe("a value that can't be stored is refused, with the key's name:", () => {
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
    ["memory shared between threads", new Uint8Array(new SharedArrayBuffer(2)), "SharedArrayBuffer"],
    ["a deeply nested function", { a: [new Map([["k", { f: () => 1 }]])] }, "a function", '.a[0].get("k").f'],
    ["a function as the key of a Map", new Map([[() => 1, 1]]), "a function"],
    ["a function in a Set", new Set([() => 1]), "a function"],
    ["a method", { name: "x", save() {} }, "a function", ".save"],
    ["a toJSON, which would store something else", { toJSON: () => 1 }, "a function", ".toJSON"],
    ["a symbol as a key", { [Symbol("s")]: 1 }, "symbol"],
    ["a getter that throws", { get a() { throw new Error("broken getter"); } }, "broken getter"], // biome-ignore format: one line a case
  ];
  for (const [name, value, ...parts] of cases) test(name, () => refused(value, ...parts));

  test("an array with holes, with the place of the array and the index of its first hole", () => {
    // biome-ignore lint/suspicious/noSparseArray: it is what is tested
    refused([1, , undefined], "an array without an item at index 1", "splice");
    // biome-ignore lint/suspicious/noSparseArray: it is what is tested
    refused({ at: new Date(), lines: [["a"], ["b", ,]] }, "an array without an item at index 1", ".lines[1]");
    const items = ["a", "b", "c"];
    delete items[1];
    refused(new Map([["items", items]]), "an array without an item at index 1", '.get("items")');
    const far: string[] = [];
    far[4_294_967_290] = "x";
    refused({ cart: new Set([far]) }, "an array without an item at index 0", ".cart");
    refused(new Array(4_294_967_295), "an array without an item at index 0");
    assert.deepEqual(roundTrip([undefined, 1, undefined]), [undefined, 1, undefined]);
  });

  test("nesting too deep to be read again", () => {
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
      assert.deepEqual(roundTrip(nested(31, wrap)), nested(31, wrap));
      const deep = nested(400, wrap);
      assert.equal(encode("key", roundTrip(deep)), encode("key", deep));
      for (const depth of [1_000, 2_000, 5_000, 100_000]) refused(nested(depth, wrap), "deep");
    }
    // A long doubly linked list is deep, too.
    interface Node {
      next?: Node;
      previous?: Node;
    }
    const first: Node = {};
    for (let i = 0, last = first; i < 5_000; i++) last = last.next = { previous: last };
    refused(first, "deep");
  });
});

/** A value whose innermost part is referred to 2 to the power of `levels` times. */
function doubled(levels: number, join: (half: unknown) => unknown, core: unknown = "x"): unknown {
  let value = core;
  for (let i = 0; i < levels; i++) value = join(value);
  return value;
}

const JOINS: ((half: unknown) => unknown)[] = [
  (half) => [half, half],
  (half) => ({ left: half, right: half }),
  (half) => new Map([["left", half], ["right", half]]), // biome-ignore format: one line
  (half) => new Map([[[half], half]]),
  (half) => new Set([[half], [half]]),
  (half) => [{ deep: [half] }, [new Map([["half", half]])]],
  (half) => Object.assign(Object.create(null), { left: half, right: half }),
];

describe("the work that a value can cause is in proportion to what comes of it:", () => {
  test("a value that refers to the same object again and again is stored, or refused before it is written out", () => {
    for (const join of JOINS) {
      for (const core of ["x", new Date(0), "a long text ".repeat(1_000)]) {
        for (const levels of [40, 100, 160]) {
          const value = doubled(levels, join, core);
          // Written out, the smallest would have a million million items.
          assert.throws(() => encode("key", value, 1024 * 1024), /key/);
          assert.throws(() => encode("key", { in: [1, value, new Date()] }, 1024 * 1024), /key/);
          assert.throws(() => encode("key", value, 2_900), /key/);
        }
        for (const levels of [1, 4])
          assert.deepEqual(roundTrip(doubled(levels, join, core)), doubled(levels, join, core));
      }
    }
  });

  test("with a size for the session, whatever is larger is refused by an error that names the key", () => {
    const large: unknown[] = [
      "x".repeat(10_000),
      Array.from({ length: 10_000 }, (_, i) => ({ i })),
      Array.from({ length: 1_000 }, () => "ten letters"),
      new Set(Array.from({ length: 10_000 }, (_, i) => i)),
      Buffer.alloc(10_000),
      new Map([["bytes", new Uint8Array(10_000)]]),
      10n ** 10_000n,
      { ["k".repeat(10_000)]: new Date() },
      new RegExp("x".repeat(10_000)),
      new URL(`https://example.com/${"x".repeat(10_000)}`),
      Array.from({ length: 100 }, () => new String("x".repeat(100))),
    ];
    for (const value of large) {
      for (const whole of [value, { value }]) {
        assert.throws(() => encode("cart", whole, 3_000), (error: unknown) => error instanceof SessionTooLargeError && /maxSize \(3000\).*"cart"/.test(error.message)); // biome-ignore format: one line
        assert.deepEqual(decode(encode("cart", whole, 1024 * 1024)), whole);
      }
    }
    assert.throws(() => encode("\0flash.notice", large[0], 3_000), /"flash\.notice" alone/);
  });

  test("a text that fits the size is never refused for it", () => {
    fc.assert(
      fc.property(value, (value) => {
        const text = encode("key", value);
        assert.equal(encode("key", value, text.length), text);
      }),
      { numRuns: runs(2_000) },
    );
    const product = { name: "A hat", description: "of felt, ".repeat(20), since: new Date(0) };
    const cart = Array.from({ length: 100 }, () => ({ product, status: "ordered" }));
    assert.ok(encode("cart", cart, 10_000).length < 10_000);
    assert.deepEqual(decode(encode("cart", cart, 10_000)), cart);
  });

  test("what is encoded can be decoded, with whatever references, also in circles", () => {
    const graph = fc.record({
      kinds: fc.array(fc.constantFrom("array", "object", "map", "set", "null"), { minLength: 1, maxLength: 30 }),
      edges: fc.array(fc.tuple(fc.nat(29), fc.nat(29)), { maxLength: 90 }),
      leaf: fc.oneof(value, fc.constant("x".repeat(50_000)), fc.constant(Buffer.alloc(30_000))),
    });
    let stored = 0;
    let refused = 0;
    fc.assert(
      fc.property(graph, fc.constantFrom(Infinity, 1024 * 1024, 3_000), ({ kinds, edges, leaf }, maxSize) => {
        const nodes = kinds.map(
          (kind) =>
          kind === "array" ? [] : kind === "map" ? new Map() : kind === "set" ? new Set() : kind === "null" ? Object.create(null) : {}, // biome-ignore format: one line
        );
        const add = (node: unknown, item: unknown, name: string) => {
          if (Array.isArray(node)) node.push(item);
          else if (node instanceof Map) node.set(item, item);
          else if (node instanceof Set) node.add(item);
          else (node as Record<string, unknown>)[name] = item;
        };
        for (const [i, [from, to]] of edges.entries())
          add(nodes[from % nodes.length], nodes[to % nodes.length], `e${i}`);
        add(nodes.at(-1), leaf, "leaf");
        let text: string;
        try {
          text = encode("key", nodes[0], maxSize);
          stored++;
        } catch (error) {
          assert.ok(error instanceof UnstorableValueError || error instanceof SessionTooLargeError);
          refused++;
          return;
        }
        assert.equal(encode("key", decode(text), Math.max(maxSize, text.length)), text);
      }),
      { numRuns: runs(3_000) },
    );
    assert.ok(stored > 100 && refused > 100, `${stored} were stored, ${refused} refused`);
  });

  test("a text that refers to the same object again and again throws", () => {
    for (const levels of [20, 24, 100, 400]) {
      const arrays = Array.from({ length: levels }, (_, i) => [i + 1, i + 1]);
      assert.throws(() => decode(`~${JSON.stringify([...arrays, "x"])}`), RangeError);
      const objects = Array.from({ length: levels }, (_, i) => ({ a: i + 1, b: i + 1 }));
      assert.throws(() => decode(`~${JSON.stringify([...objects, "x"])}`), RangeError);
    }
    const many = Array.from({ length: 20_000 }, () => 1);
    for (const [type, content] of [
      ["Buffer", `=${"A".repeat(40_000)}`],
      ["Object", "x".repeat(40_000)],
    ]) {
      const values = Array.from({ length: 20_000 }, () => [type, 1]);
      const indexes = values.map((_, i) => i + 2);
      assert.throws(() => decode(`~${JSON.stringify([indexes, content, ...values])}`), RangeError);
    }
    assert.throws(() => decode(`~${JSON.stringify([many, "x".repeat(40_000)])}`), RangeError);
    assert.throws(() => decode(`~${JSON.stringify([many, ["BigInt", "9".repeat(40_000)]])}`), RangeError);
  });

  test("a text of an array with holes throws", () => {
    for (const text of [
      "~[[-2]]",
      "~[[1,-2],1]",
      "~[[-7,4294967295]]",
      "~[[-7,4294967295,4294967290,1],1]",
      '~[{"a":1},[-2]]',
    ]) {
      assert.throws(() => decode(text), RangeError, text);
    }
  });
});

describe("a text that is no encoded value", () => {
  test("throws", () => {
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

  test("gives an error or a value, and changes no prototype", () => {
    const piece = fc.constantFrom('"', "[", "]", "{", "}", ",", ":", "0", "1", "-1", "-7", "65536", '"Map"', '"Set"', '"Buffer"', '"View"', '"Object"', '"ArrayBuffer"', '"Uint8Array"', '"__proto__"', '"="', "null"); // biome-ignore format: a list
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 16 }), (pieces) => {
        for (const text of [pieces.join(""), `~${pieces.join("")}`, `~[[${pieces.join(",")}]]`]) {
          let value: unknown;
          try {
            value = decode(text);
          } catch (error) {
            assert.ok(error instanceof Error);
            continue;
          }
          // A request that has only read it must not fail when it compares it.
          assert.equal(typeof encode("key", value), "string");
        }
        assert.deepEqual(Object.keys(Object.prototype), []);
      }),
      { numRuns: runs(5_000) },
    );
  });

  test("throws if it is truncated anywhere", () => {
    const whole = encode("key", {
      a: [new Map([[1n, new Date(0)]]), new Set(["x"]), Buffer.from("bytes"), new Float32Array(2)],
    });
    for (let length = 0; length < whole.length; length++) {
      assert.throws(() => decode(whole.slice(0, length)), `the first ${length} characters`);
    }
  });
});
