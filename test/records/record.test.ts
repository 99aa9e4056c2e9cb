// Tests of the record format: writing, reading, and refusing bytes that are no record.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { type RecordMeta, SessionRecord } from "../../src/records/record.ts";
import { termsOf } from "../../src/records/terms.ts";
import { decode, encode } from "../../src/records/value-codec.ts";
import fc, { runs } from "../support/random.ts";
import { text, value } from "../support/values.ts";

const NO_META: RecordMeta = {
  createdAt: 0,
  renewedAt: undefined,
  sealedUntil: undefined,
  revision: undefined,
  lease: undefined,
  terms: undefined,
  owner: undefined,
};

function write(values: Iterable<readonly [string, unknown]>, meta = NO_META): SessionRecord {
  return SessionRecord.write(
    meta,
    undefined,
    Array.from(values, ([key, value]) => ({ key, after: encode(key, value) })),
  );
}

function written(texts: Record<string, string | undefined>, meta = NO_META, base?: SessionRecord): SessionRecord {
  return SessionRecord.write(
    meta,
    base,
    Object.entries(texts).map(([key, after]) => ({ key, after })),
  );
}

/** The same, read from its own buffer, so that reading beyond its ends is noticed. */
function stored(record: SessionRecord): SessionRecord {
  return SessionRecord.read(new Uint8Array(record.bytes));
}

function textsOf(record: SessionRecord): Map<string, string | undefined> {
  return new Map(record.names.map((name) => [name, record.text(name)]));
}

/** Asserts that the bytes are either refused as a whole or readable as a record. */
function assertHandled(bytes: Uint8Array): void {
  let record: SessionRecord;
  try {
    record = SessionRecord.read(bytes);
  } catch (error) {
    assert.ok(error instanceof Error);
    return;
  }
  for (const name of record.names) {
    assert.equal(typeof name, "string");
    assert.equal(typeof record.text(name), "string");
  }
  record.data();
  const copy = written({ new: "1" }, record, record);
  assert.equal(stored(copy).text("new"), "1");
}

const instant = fc.nat(2 ** 48 - 1);
const meta: fc.Arbitrary<RecordMeta> = fc.record({
  createdAt: instant,
  renewedAt: fc.option(instant, { nil: undefined }),
  sealedUntil: fc.option(instant, { nil: undefined }),
  revision: fc.option(fc.nat(2 ** 32 - 1), { nil: undefined }),
  lease: fc.option(fc.nat(2 ** 32 - 1), { nil: undefined }),
  terms: fc.option(
    fc
      .record(
        {
          lifetime: fc.option(
            fc.record({ idleTimeout: instant, absoluteTimeout: instant }, { noNullPrototype: true }),
            { nil: undefined },
          ),
          authenticatedAt: fc.option(instant, { nil: undefined }),
          ticketAt: fc.option(instant, { nil: undefined }),
          seenAt: fc.option(instant, { nil: undefined }),
          renewals: fc.option(fc.integer({ min: 1, max: 2 ** 24 }), { nil: undefined }),
          isStamped: fc.constantFrom(true as const, undefined),
        },
        { noNullPrototype: true },
      )
      .filter((terms) => termsOf(terms) !== undefined),
    { nil: undefined },
  ),
  owner: fc.option(fc.string({ unit: "grapheme", minLength: 1, maxLength: 60 }), { nil: undefined }),
});

describe("a record", () => {
  test("returns what was written: any keys, any values, owner and times", () => {
    fc.assert(
      fc.property(meta, fc.array(fc.tuple(text, value), { maxLength: 8 }), (meta, entries) => {
        const expected = new Map(entries);
        const record = stored(write(expected, meta));
        const { createdAt, renewedAt, sealedUntil, revision, lease, terms, owner } = record;
        assert.deepEqual({ createdAt, renewedAt, sealedUntil, revision, lease, terms, owner }, { ...meta });
        assert.deepEqual([...record.names], [...expected.keys()]);
        for (const [name, value] of expected) {
          assert.ok(record.has(name));
          assert.deepStrictEqual(decode(record.text(name)!), value);
        }
      }),
      { numRuns: runs(1_000) },
    );
  });

  test("has only the keys that were written", () => {
    const record = write([["a", 1]]);
    for (const name of ["", "b", "__proto__", "constructor", "toString", "0", "length"]) {
      assert.equal(record.has(name), false);
      assert.equal(record.text(name), undefined);
    }
    assert.deepEqual(write([]).names, []);
  });

  test("gives only the application's keys as data, in a new plain object", () => {
    const record = write([
      ["a", 1],
      ["__proto__", { b: 2 }],
      ["", 3],
      ["\0flash.hello", "x"],
    ]);
    const data = stored(record).data();
    assert.deepEqual(Object.entries(data), [
      ["a", 1],
      ["__proto__", { b: 2 }],
      ["", 3],
    ]);
    assert.equal(Object.getPrototypeOf(data), Object.prototype);
  });

  test("leaves a value that can't be decoded out of the data, and keeps the others", () => {
    const record = written({ good: "1", bad: "{", "good too": "2" });
    assert.deepEqual(record.data(), { good: 1, "good too": 2 });
  });

  test("written with any changes equals a Map with the same changes", () => {
    const name = fc.oneof(fc.constantFrom("a", "b", "c", "d", "__proto__", ""), text);
    const changes = fc.array(fc.tuple(name, fc.option(value, { nil: undefined })), { maxLength: 5 });
    fc.assert(
      fc.property(fc.array(fc.tuple(meta, changes), { maxLength: 8 }), (steps) => {
        const model = new Map<string, string>();
        let record: SessionRecord | undefined;
        for (const [meta, step] of steps) {
          // Here undefined means a removal; the value undefined has a text.
          const change = new Map(
            step.map(([name, value]) => [name, value === undefined ? value : encode(name, value)]),
          );
          for (const [name, text] of change) {
            if (text === undefined) model.delete(name);
            else model.set(name, text);
          }
          const texts = Array.from(change, ([key, after]) => ({ key, after }));
          const next: SessionRecord = stored(SessionRecord.write(meta, record, texts));
          assert.deepEqual(new Set(textsOf(next)), new Set(model));
          assert.equal(next.names.length, model.size);
          assert.equal(next.owner, meta.owner);
          assert.equal(next.createdAt, meta.createdAt);
          assert.equal(next.renewedAt, meta.renewedAt);
          assert.equal(next.revision, meta.revision);
          assert.equal(next.lease, meta.lease);
          record = next;
        }
      }),
      { numRuns: runs(1_000) },
    );
  });

  test("copies unchanged values byte by byte, also those that this version can't read", () => {
    const unreadable = '~[["TypeOfALaterVersion",1],"x"]';
    const before = written({ unreadable, spaced: '{ "a" : 1 }', n: "1" });
    const after = stored(written({ n: "2", m: "3" }, { ...NO_META, owner: "u" }, stored(before)));
    assert.equal(after.text("unreadable"), unreadable);
    assert.equal(after.text("spaced"), '{ "a" : 1 }');
    assert.equal(after.text("n"), "2");
    assert.equal(after.text("m"), "3");
  });

  test("is not changed when the next one is written over it", () => {
    const before = write([
      ["a", "x"],
      ["b", "y"],
    ]);
    const bytes = Buffer.from(before.bytes);
    written({ a: undefined, b: '"z"', c: "1" }, { ...NO_META, owner: "u" }, before);
    assert.deepEqual(before.bytes, bytes);
    assert.equal(before.text("b"), '"y"');
  });

  test("finds each of a thousand keys", () => {
    const entries = Array.from({ length: 1_000 }, (_, i) => [`key ${i}`, { i }] as const);
    const record = stored(write(entries));
    for (const [name, value] of entries) assert.deepEqual(decode(record.text(name)!), value);
    assert.equal(record.names.length, 1_000);
  });

  test("works with any number of different sets of keys", () => {
    const records = Array.from({ length: 3_000 }, (_, i) => write([[`k${i}`, i], ["all", 1]])); // biome-ignore format: one line
    for (const [i, record] of records.entries()) {
      assert.equal(stored(record).text(`k${i}`), String(i));
      assert.equal(record.text("all"), "1");
    }
  });
});

describe("bytes that are no record", () => {
  const whole = write(
    [
      ["cart", [{ name: "umbrella", at: new Date(0) }]],
      ["views", 3],
      ["süß", new Map([["a", 1n]])],
    ],
    {
      createdAt: 1_700_000_000_000,
      renewedAt: 1_700_000_000_001,
      sealedUntil: 1_700_000_000_002,
      revision: 17,
      lease: 10_000,
      terms: {
        lifetime: { idleTimeout: 1, absoluteTimeout: 2 },
        authenticatedAt: 1_700_000_000_000,
        ticketAt: 1_700_000_000_003,
        seenAt: 1_700_000_000_004,
        renewals: 2,
        isStamped: true,
      },
      owner: "user 17",
    },
  ).bytes;

  test("are refused if any byte is missing", () => {
    for (let length = 0; length < whole.length; length++) {
      assert.throws(() => SessionRecord.read(whole.subarray(0, length)), `the first ${length} bytes`);
    }
  });

  test("are refused if a byte is added", () => {
    assert.throws(() => SessionRecord.read(Buffer.concat([whole, Buffer.from([0])])));
    assert.throws(() => SessionRecord.read(Buffer.concat([Buffer.from([0]), whole])));
  });

  test("are refused if their format is another one", () => {
    for (let format = 0; format < 256; format++) {
      if (format === whole[0]) continue;
      assert.throws(() => SessionRecord.read(Buffer.concat([Buffer.from([format]), whole.subarray(1)])));
    }
  });

  test("are refused if the names are not a list of different strings", () => {
    for (const names of [
      "[1]",
      "[null]",
      '[{"a":1}]',
      '[["a"]]',
      "5",
      "null",
      '"a"',
      "{}",
      '{"length":1}',
      '["a","a"]',
      "[",
      "",
    ]) {
      // Complete except for the names: each value is "1" and has its end.
      const text = Buffer.from(names);
      const count = names.split(",").length;
      const bytes = Buffer.alloc(12 + text.length + 4 * count + count, "1");
      bytes.fill(0, 0, 12);
      bytes[0] = whole[0]!;
      bytes.writeUInt32LE(text.length, 8);
      text.copy(bytes, 12);
      for (let i = 0; i < count; i++) bytes.writeUInt32LE(i + 1, 12 + text.length + 4 * i);
      assert.throws(() => SessionRecord.read(bytes), names);
    }
    // Twice, since parsed names are cached.
    const same = write([["a", 1]]).bytes;
    const broken = Buffer.from(same.toString("latin1").replace('["a"]', "[777]"), "latin1");
    assert.throws(() => SessionRecord.read(broken));
    assert.throws(() => SessionRecord.read(broken));
  });

  test("are refused if the ends of values go backwards or beyond the bytes", () => {
    const record = write([["a", "one"], ["b", "two"], ["c", "three"]]); // biome-ignore format: one line
    const endsAt = 12 + '["a","b","c"]'.length;
    for (const [at, end] of [
      [0, 11],
      [0, 1_000_000],
      [0, 2 ** 32 - 1],
      [4, 4],
      [4, 0],
      [4, 18],
      [4, 2 ** 31],
    ] as const) {
      // biome-ignore format: a table
      const bytes = Buffer.from(record.bytes);
      bytes.writeUInt32LE(end, endsAt + at);
      assert.throws(() => SessionRecord.read(bytes), `end ${at / 4} at ${end}`);
    }
  });

  test("never crash, hang or reveal other memory, with any byte changed", () => {
    for (let at = 0; at < whole.length; at++) {
      for (const change of [1, 0x80, 0xff]) {
        const bytes = Buffer.from(whole);
        bytes[at]! ^= change;
        assertHandled(bytes);
      }
    }
  });

  test("never crash or hang, with random bytes", () => {
    for (let i = 0; i < 5_000; i++) {
      const bytes = randomBytes(i % 200);
      bytes[0] = whole[0]!;
      assertHandled(bytes);
      if (bytes.length > 12) {
        bytes[1] = i & 3;
        bytes.writeUInt32LE(i % 50, 8);
        assertHandled(bytes);
      }
    }
  });

  test("never crash or hang, with any mix of a record's parts", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(whole.length), fc.nat(40)), { maxLength: 12 }), (slices) => {
        assertHandled(
          Buffer.concat([whole.subarray(0, 8), ...slices.map(([at, size]) => whole.subarray(at, at + size))]),
        );
      }),
      { numRuns: runs(2_000) },
    );
  });
});
