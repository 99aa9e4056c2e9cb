import { randomBytes } from "node:crypto";
import { begin, bytes, type Case, listed, newKey, present, same, sameBytes, session, that, times } from "./kit.ts";

/** Words that mean something to this contract, to a protocol or to a parser. */
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

/** A value is any bytes. */
export const values: Case[] = [
  {
    name: "values: any bytes come back as they were",
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
        const rule = `A value is any bytes, and comes back as it was; here ${what}. Use a binary column or type, and mind byteOffset.`;
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
    name: "values: what the caller does to its buffer later changes nothing",
    async run(kit) {
      const store = await kit.open();
      const pool = Buffer.from("....create....");
      const rule = "The store must not keep the caller's buffer: it may be a slice of a pool that is used again.";
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
    name: "values: what was read stays as it was",
    async run(kit) {
      const store = await kit.open();
      const rule = "A value that read gave must not change later: the store must not use its buffer for anything else.";
      const contents = times(20, (index) => new Uint8Array(randomBytes(100 + index)));
      const begun = await Promise.all(contents.map((value) => begin(store, { value })));
      const found = [];
      for (const { key } of begun) found.push(await present(store, key, rule));
      for (const { key, version } of begun) await store.update(key, session({ value: randomBytes(110) }), version);
      for (const { key } of begun) await store.read(key);
      for (const { key } of begun) await store.delete(key);
      for (const [index, { value }] of found.entries()) sameBytes(value, contents[index]!, rule);
    },
  },
  {
    name: "values: large, and from large to small and back",
    async run(kit) {
      const store = await kit.open();
      const sizes = [1, 4_096, 32_768, 65_535, 65_536, 65_537, 131_072, kit.maxValue, 10, 0, kit.maxValue - 1, 70_000];
      let { key, version } = await begin(store, { value: randomBytes(kit.maxValue) });
      for (const size of sizes.filter((size) => size <= kit.maxValue)) {
        const rule = `A value of ${size} bytes must come back as it was. Set maxValue if the store takes less than ${kit.maxValue} bytes.`;
        const value = randomBytes(size);
        const next = await store.update(key, session({ value }), version);
        that(next !== "conflict" && next !== "gone", `${rule} update answered "${next}".`);
        version = next;
        sameBytes((await present(store, key, rule)).value, value, rule);
      }
      await store.delete(key);
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
    name: "values: a thousand sessions at once",
    async run(kit) {
      const store = await kit.open();
      const rule = "A thousand calls at once must all be answered, each with its own session.";
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
