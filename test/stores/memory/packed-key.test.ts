// The memory store's packed keys and texts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PackedKey, readText, textInfo, writeText } from "../../../src/stores/memory/packed-key.ts";
import fc from "../../support/random.ts";

test("a key of 24 characters of base64url is packed exactly, and unpacked again", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 18, maxLength: 18 }), (bytes) => {
      const key = Buffer.from(bytes).toString("base64url");
      const packed = new PackedKey();
      packed.pack(key);
      assert.equal(packed.isExact, true);
      assert.equal(packed.unpack(), key);
    }),
  );
});

test("other keys are not packed exactly", () => {
  const packed = new PackedKey();
  for (const key of [
    "",
    "a".repeat(23),
    "a".repeat(25),
    `${"a".repeat(23)}+`,
    `é${"a".repeat(23)}`,
    `${"a".repeat(23)}Ā`,
  ]) {
    packed.pack(key);
    assert.equal(packed.isExact, false, key);
  }
});

test("similar keys have well spread hashes", () => {
  const packed = new PackedKey();
  const tables = new Set<number>();
  const tags = new Set<number>();
  for (let i = 0; i < 4_096; i++) {
    packed.pack(`session-${String(i).padStart(16, "0")}`);
    tables.add(packed.hash >>> 20);
    tags.add(packed.hash & 0xffff);
  }
  assert.ok(tables.size > 2_300, `${tables.size} of 4,096 tables are hit; by chance it would be 2,589`);
  assert.ok(tags.size > 3_700, `${tags.size} tags; by chance it would be 3,971`);
});

test("any text is read as it was written", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "binary", maxLength: 50 }),
      fc.constantFrom("", "é", "\ud800", "\udc00x"),
      (text, more) => {
        const whole = text + more;
        const info = textInfo(whole);
        const bytes = Buffer.alloc(300);
        writeText(bytes, 7, whole, info);
        assert.equal(readText(bytes, 7, info), whole);
      },
    ),
  );
});
