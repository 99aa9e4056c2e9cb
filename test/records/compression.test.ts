// Tests of the option compress.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import zlib from "node:zlib";
import { type CompressOptions, createSessions, OptionError, SessionTooLargeError } from "../../src/index.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { SECRET, watched } from "../support/stores.ts";

interface Data {
  words: string[];
  note: string;
}

const WORDS = Array.from({ length: 400 }, (_, i) => `word ${i % 40}`);

function farm(compress: boolean | CompressOptions | undefined, store = watched(), more = {}) {
  const sessions = createSessions<Data>({
    store,
    secret: SECRET,
    ...(compress !== undefined && { compress }),
    ...more,
  });
  return {
    sessions,
    store,
    async keep(data: Partial<Data>, cookie = "") {
      const session = await sessions.open(cookie);
      Object.assign(session.data, data);
      const cookies = await session.commit();
      return cookies[0]?.split(";")[0] ?? cookie;
    },
    async words(cookie: string) {
      return (await sessions.open(cookie)).get("words");
    },
  };
}

const sizes = (store: ReturnType<typeof watched>) => [...store.rows.values()].map((value) => value.length);

describe("compression", () => {
  test("makes records in the store smaller, and returns equal data", async () => {
    const plain = farm(undefined);
    await plain.keep({ words: WORDS });
    for (const algorithm of ["zstd", "brotli", "gzip"] as const) {
      const { keep, words, store } = farm({ algorithm });
      const cookie = await keep({ words: WORDS });
      assert.deepEqual(await words(cookie), WORDS);
      assert.ok(sizes(store)[0]! < sizes(plain.store)[0]! / 5, `${algorithm}: ${sizes(store)}`);
    }
  });

  test("does not compress records below the threshold, nor any that would not get smaller", async () => {
    const [plain, compressed] = [farm(false), farm(true)];
    const noise = Buffer.from(crypto.getRandomValues(new Uint8Array(3000))).toString("latin1");
    for (const note of ["short and sweet ".repeat(10), noise]) {
      await plain.keep({ note });
      await compressed.keep({ note });
    }
    assert.equal(sizes(compressed.store)[0], sizes(plain.store)[0]);
    assert.ok(sizes(compressed.store)[1]! <= sizes(plain.store)[1]!);
    const eager = farm({ threshold: 0 });
    await eager.keep({ note: "short and sweet ".repeat(10) });
    assert.ok(sizes(eager.store)[0]! < sizes(plain.store)[0]!);
  });

  test("can be turned on and off at any time: each server reads what the others wrote", async () => {
    const store = watched();
    const servers = [undefined, true, { algorithm: "gzip" }, { algorithm: "brotli" }] as const;
    for (const writer of servers) {
      for (const reader of servers) {
        const cookie = await farm(writer, store).keep({ words: WORDS });
        const other = farm(reader, store);
        assert.deepEqual(await other.words(cookie), WORDS);
        await other.keep({ note: "seen" }, cookie);
        assert.deepEqual(await farm(writer, store).words(cookie), WORDS);
      }
    }
  });

  test("works with every encryption, and with an in-process store", async () => {
    for (const encryption of ["server", "ticket", "off"] as const) {
      const { keep, words, store } = farm(true, watched(), { encryption });
      assert.deepEqual(await words(await keep({ words: WORDS })), WORDS);
      const [value] = store.rows.values();
      assert.equal(Buffer.from(value!).includes("word 39"), false);
    }
    const sessions = createSessions<Data>({ store: memory(), secret: SECRET, compress: true });
    const session = await sessions.open("");
    session.data.words = WORDS;
    const [cookie] = await session.commit();
    assert.deepEqual((await sessions.open(cookie!.split(";")[0])).get("words"), WORDS);
  });

  test("maxSize counts uncompressed bytes", async () => {
    const { keep } = farm(true, watched(), { maxSize: 2000 });
    await assert.rejects(keep({ words: WORDS }), SessionTooLargeError);
  });

  test("can be read with a maxSize that is less than where it was written", async () => {
    for (const algorithm of ["zstd", "brotli", "gzip"] as const) {
      const large = farm({ algorithm });
      const cookie = await large.keep({ words: WORDS });
      const small = farm({ algorithm }, large.store, { maxSize: 500 });
      assert.deepEqual(await small.words(cookie), WORDS);
      await assert.rejects(small.keep({ note: "more" }, cookie), SessionTooLargeError);
      await small.keep({ words: [] }, cookie);
      assert.deepEqual(await large.words(cookie), []);
    }
  });

  test("a decompression bomb in the store is reported as unreadable, and not decompressed", async () => {
    for (const [firstByte, bomb] of [
      [0xd1, zlib.zstdCompressSync(Buffer.alloc(64 << 20))],
      [0xd2, zlib.brotliCompressSync(Buffer.alloc(64 << 20), { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 } })],
      [0xd3, zlib.gzipSync(Buffer.alloc(64 << 20), { level: 1 })],
      [0xd1, Buffer.from("not compressed at all")],
      [0xdf, Buffer.from("compressed by a later version")],
    ] as const) {
      const inner = memory();
      const { keep, words, sessions, store } = farm(true, watched(inner), { encryption: "off" });
      const cookie = await keep({ note: "x" });
      const [key] = store.rows.keys();
      const { version, expiresAt } = (await inner.read(key!))!;
      await inner.update(key!, { value: Buffer.concat([Buffer.of(firstByte), bomb]), expiresAt }, version);
      const unreadable: unknown[] = [];
      sessions.on("unreadable", ({ error }) => unreadable.push(error));
      const before = process.memoryUsage().arrayBuffers;
      assert.equal(await words(cookie), undefined);
      assert.ok(process.memoryUsage().arrayBuffers - before < 8 << 20);
      assert.equal(unreadable.length, 1);
    }
  });

  test("invalid options are refused", () => {
    const store = memory();
    const wrong: unknown[] = [
      "yes",
      1,
      { threshold: -1 },
      { threshold: 0.5 },
      { algorithm: "lzma" },
      { algorithm: "toString" },
    ];
    for (const compress of wrong) {
      assert.throws(() => createSessions({ store, secret: SECRET, compress: compress as boolean }), OptionError);
    }
  });
});
