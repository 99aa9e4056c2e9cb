// Conformance: values and keys of every kind.

import {
  begin,
  bytes,
  type Case,
  inAnHour,
  listed,
  newKey,
  present,
  randomValue,
  same,
  sameBytes,
  session,
  that,
  times,
} from "./kit.ts";
import { oddOwners } from "./owners.ts";

/** Words with a meaning in the contract, in a protocol or in a parser. */
const WORDS = [
  "exists",
  "conflict",
  "gone",
  "null",
  "nil",
  "undefined",
  "OK",
  "0",
  "-1",
  "$-1\r\n",
  "{}",
  "\\x00",
  "''",
];

/** Any bytes are a value, and any string of the right form is a key. */
export const values: Case[] = [
  {
    name: "values: any bytes are read back unchanged",
    async run(kit) {
      const store = await kit.open();
      const all = Uint8Array.from(times(256, (byte) => byte));
      const cases = [
        ["all 256 byte values", all],
        ["the empty value", new Uint8Array(0)],
        ["one zero byte", new Uint8Array(1)],
        ["bytes that are not UTF-8", new Uint8Array([0xff, 0xfe, 0xc3, 0x28, 0x80])],
        [
          "a part of a larger buffer",
          Buffer.concat([Buffer.alloc(7, "x"), all, Buffer.alloc(9, "y")]).subarray(7, 263),
        ],
        ...WORDS.map((word) => [`the word ${JSON.stringify(word)}`, bytes(word)] as const),
      ] as const;
      for (const [what, value] of cases) {
        const rule = `Any bytes are a value, and read must give them unchanged; here ${what}. Use a binary column or type, and respect byteOffset.`;
        const { key, version } = await begin(store, { value });
        sameBytes((await present(store, key, rule)).value, value, rule);
        const other = await begin(store);
        const written = await store.update(other.key, session({ value }), other.version);
        that(
          written !== "conflict" && written !== "gone" && written !== other.version,
          `${rule} update answered ${written}.`,
        );
        that(version !== "exists", rule);
        sameBytes((await present(store, other.key, rule)).value, value, `${rule} (update)`);
      }
    },
  },
  {
    name: "values: a write does not keep the caller's buffer",
    async run(kit) {
      const store = await kit.open();
      const pool = Buffer.from("....create....");
      const rule = "The store must not keep the caller's buffer: it may be a slice of a pool that is reused.";
      const { key, version } = await begin(store, { value: pool.subarray(4, 10) });
      pool.fill("!");
      sameBytes((await present(store, key, rule)).value, bytes("create"), rule);
      pool.write("....update....");
      await store.update(key, session({ value: pool.subarray(4, 10) }), version);
      pool.fill("!");
      sameBytes((await present(store, key, rule)).value, bytes("update"), rule);
    },
  },
  {
    name: "values: a value that was read does not change later",
    async run(kit) {
      const store = await kit.open();
      const rule = "A value that read gave must not change later: the store must not reuse its buffer.";
      const contents = times(20, (index) => randomValue(100 + index));
      const begun = await Promise.all(contents.map((value) => begin(store, { value })));
      const found = [];
      for (const { key } of begun) found.push(await present(store, key, rule));
      for (const { key, version } of begun) await store.update(key, session({ value: randomValue(110) }), version);
      for (const { key } of begun) await store.read(key);
      for (const { key } of begun) await store.delete(key);
      for (const [index, { value }] of found.entries()) sameBytes(value, contents[index]!, rule);
    },
  },
  {
    name: "values: large values, and changes between large and small ones",
    async run(kit) {
      const store = await kit.open();
      const sizes = [1, 4_096, 32_768, 65_535, 65_536, 65_537, 131_072, kit.maxValue, 10, 0, kit.maxValue - 1, 70_000];
      let { key, version } = await begin(store, { value: randomValue(kit.maxValue) });
      for (const size of sizes.filter((size) => size <= kit.maxValue)) {
        const rule = `A value of ${size} bytes must be read back unchanged. Set capabilities.maxValue if the store takes less than ${kit.maxValue} bytes.`;
        const value = randomValue(size);
        const next = await store.update(key, session({ value }), version);
        that(next !== "conflict" && next !== "gone", `${rule} update answered "${next}".`);
        version = next;
        sameBytes((await present(store, key, rule)).value, value, rule);
      }
      await store.delete(key);
    },
  },
  {
    name: "values: an owner is read back exactly as it was written",
    async run(kit) {
      const store = await kit.open();
      for (const owner of oddOwners(newKey())) {
        const rule = `read must give the owner exactly as it was written, here ${JSON.stringify(owner)}: the record is bound to it, and can't be opened with another.`;
        const { key, version } = await begin(store, { owner });
        same((await present(store, key, rule)).owner, owner, rule);
        const other = await begin(store);
        await store.update(other.key, session({ owner }), other.version);
        same((await present(store, other.key, rule)).owner, owner, `${rule} (update)`);
        await store.touch(key, inAnHour());
        const touched = await present(store, key, rule);
        same([touched.owner, touched.version], [owner, version], `${rule} (touch)`);
      }
    },
  },
  {
    name: "values: keys differ by every character",
    async run(kit) {
      const store = await kit.open();
      const base = newKey().slice(2);
      const keys = ["Aa", "aa", "aA", "AA", "-a", "_a", "--", "__", "0a"].map((start) => start + base);
      const rule = "Keys that differ in case, dash or underscore are different keys: compare them byte by byte.";
      for (const key of keys) await begin(store, { value: bytes(key) }, key);
      for (const key of keys) sameBytes((await present(store, key, rule)).value, bytes(key), rule);
      same(await store.delete(keys[0]!), true, rule);
      for (const key of keys.slice(1)) sameBytes((await present(store, key, rule)).value, bytes(key), rule);
    },
  },
  {
    name: "values: a thousand concurrent sessions",
    async run(kit) {
      const store = await kit.open();
      const rule = "A thousand concurrent calls must each give their own session.";
      const sessions = await Promise.all(times(1000, (index) => begin(store, { value: bytes(`session ${index}`) })));
      const found = await Promise.all(sessions.map(({ key }) => present(store, key, rule)));
      for (const [index, { value }] of found.entries()) sameBytes(value, bytes(`session ${index}`), rule);
      if (store.list) {
        const mine = new Set(sessions.map(({ key }) => key));
        const keys = (await listed(store)).map(({ key }) => key).filter((key) => mine.has(key));
        same([keys.length, new Set(keys).size], [1000, 1000], "list must give every live session, and each once.");
      }
      const removed = await Promise.all(sessions.map(({ key }) => store.delete(key)));
      that(removed.every(Boolean), "delete of a live session must give true.");
    },
  },
];
