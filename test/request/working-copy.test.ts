// Tests of a request's working copy: values that are too large, or that the application could not have stored.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SessionTooLargeError, UnstorableValueError } from "../../src/errors.ts";
import { type RecordMeta, SessionRecord } from "../../src/records/record.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { all, type Data, key, named, setUp } from "../support/set-up.ts";
import { watched } from "../support/stores.ts";

/** A session whose record somebody else has written, with a value for each text. */
async function planted(texts: Record<string, string>) {
  const inner = memory();
  const { browser, events, sessions } = setUp({ encryption: "off", initial: { cart: ["initial"] } }, watched(inner));
  await browser.request((session) => session.set("good", 1));
  const stored = (await inner.read(key(browser)))!;
  const { createdAt } = SessionRecord.read(stored.value);
  const meta = { createdAt } as RecordMeta;
  const changes = Object.entries(texts).map(([key, after]) => ({ key, after }));
  const { bytes } = SessionRecord.write(meta, SessionRecord.read(stored.value), changes);
  await inner.update(key(browser), { ...stored, value: bytes }, stored.version);
  return { browser, events, sessions };
}

/** Arrays, each of which holds the next one twice. */
function doubled(levels: number): string {
  return `~${JSON.stringify([...Array.from({ length: levels }, (_, i) => [i + 1, i + 1]), "x"])}`;
}

describe("a value in the store that the application could not have written", () => {
  test("because it refers to the same things again and again, or has holes, is unreadable", async () => {
    const texts = { cart: doubled(24), items: "~[[-7,4294967295,4294967290,1],1]", holes: "~[[1,-2,1],1]" };
    const { browser, events, sessions } = await planted(texts);
    const { data } = await browser.open();
    assert.deepEqual({ ...data }, { good: 1, cart: ["initial"], items: undefined, holes: undefined });
    assert.deepEqual(new Set(named(events, "unreadable").map((event) => event.key)), new Set(Object.keys(texts)));
    assert.deepEqual((await all(sessions.list()))[0]!.data, { good: 1 });
    await browser.request((session) => (session.data.cart as string[]).push("more"));
    assert.deepEqual((await browser.contents()).cart, ["initial", "more"]);
  });

  test("because it is nested too deep can be read, left alone, and replaced, but not changed", async () => {
    const deep = `${"[".repeat(1_000)}${"]".repeat(1_000)}`;
    const { browser } = await planted({ deep });
    await browser.request(({ data }) => {
      assert.ok(Array.isArray(data.deep));
      data.good = 2;
    });
    assert.equal((await browser.open()).data.good, 2);
    await assert.rejects(
      browser.request(({ data }) => (data.deep as unknown[]).push("more")),
      UnstorableValueError,
    );
    await browser.request(({ data }) => {
      data.deep = ["shallow"];
    });
    assert.deepEqual((await browser.open()).data.deep, ["shallow"]);
  });
});

test("a value that is changed in place into one that can't be stored fails the commit, also an initial one", async () => {
  const { browser } = setUp({ initial: { list: [] } });
  const addFunction = ({ data }: { data: Data }) => void (data.list as unknown[]).push(() => 1);
  await assert.rejects(browser.request(addFunction), UnstorableValueError);
  await browser.request(({ data }) => void (data.list as unknown[]).push(1));
  await assert.rejects(browser.request(addFunction), UnstorableValueError);
  assert.deepEqual(await browser.contents(), { list: [1] });
});

describe("a session that is larger than maxSize", () => {
  test("because many keys share one object is refused before all of them are encoded", async () => {
    const { browser, store } = setUp({ maxSize: 100_000 });
    let encoded = 0;
    const lines = Array.from({ length: 50 }, () => ({
      get text() {
        encoded++;
        return "x".repeat(1_000);
      },
    }));
    await assert.rejects(
      browser.request((session) => {
        for (let i = 0; i < 500; i++) session.set(`key${i}`, lines);
      }),
      (error: unknown) =>
        error instanceof SessionTooLargeError && /Largest: "key0" \(\d+\), "key1"/.test(error.message),
    );
    assert.ok(encoded < 50 * 50, `${encoded} lines were read`);
    assert.deepEqual(store.calls, []);
  });

  test("since maxSize is less than it was can be read, and made smaller", async () => {
    const large: Data = {
      text: ["x".repeat(5_000)],
      rich: new Map([["a", "y".repeat(5_000)]]),
      shared: new Array(300).fill({ text: "z".repeat(100), when: new Date(0) }),
      counted: ["w".repeat(5_000)],
    };
    const store = watched();
    const before = setUp({}, store);
    await before.browser.request(({ data }) => void Object.assign(data, large));
    const { browser, events } = setUp({ maxSize: 2_000 }, store);
    browser.cookie = before.browser.cookie;
    store.calls.length = 0;
    await browser.request(({ data }) => assert.deepEqual({ ...data }, large));
    assert.deepEqual(store.calls, ["read"]);
    assert.deepEqual(named(events, "unreadable"), []);
    await assert.rejects(
      browser.request(({ data }) => (data.text as string[]).push("more")),
      SessionTooLargeError,
    );
    await browser.request((session) => {
      session.data.text = ["less"];
      session.delete("rich");
      (session.data.shared as unknown[]).length = 1;
      session.update("counted", () => []);
    });
    assert.deepEqual(await browser.contents(), {
      text: ["less"],
      shared: [{ text: "z".repeat(100), when: new Date(0) }],
      counted: [],
    });
  });
});
