// The memory store: conformance, limits and memory.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { conformance } from "../../../src/conformance/index.ts";
import { OptionError } from "../../../src/errors.ts";
import type { SessionChange, SessionStore } from "../../../src/store.ts";
import { memory } from "../../../src/stores/memory/index.ts";

describe("conformance", () => {
  const capabilities = { shared: false, list: true, claimExpired: true, watch: true };
  for (const { name, run } of conformance(() => memory(), capabilities)) test(name, run);
});

describe("conformance with limits that are not reached", () => {
  const capabilities = { shared: false, list: true, claimExpired: true, watch: true };
  const limited = () => memory({ maxSessions: 100_000, maxBytes: 1_000_000_000 });
  // Without the cases that wait for an expiry: limits do not change those.
  for (const { name, run } of conformance(limited, capabilities))
    if (!/^(expiry|claimExpired)/.test(name)) test(name, run);
});

describe("maxSessions", () => {
  test("removes the least recently used session", async () => {
    const store = memory({ maxSessions: 3 });
    for (const key of ["a", "b", "c"]) await store.create(key, session());
    await store.read("a");
    await store.create("d", session());
    assert.deepEqual(await keys(store), ["a", "c", "d"]);
  });

  test("counts a write as use, but neither a touch nor a read of another session", async () => {
    const store = memory({ maxSessions: 3 });
    const version = await store.create("a", session());
    for (const key of ["b", "c"]) await store.create(key, session());
    await store.update("a", session(), version);
    await store.touch("b", Date.now() + 10_000);
    await store.read("no such key");
    await store.create("d", session());
    assert.deepEqual(await keys(store), ["a", "c", "d"]);
  });

  test("removes a session from every list, and reports it", async () => {
    const store = memory({ maxSessions: 1 });
    const changes: SessionChange[] = [];
    await store.watch!((change) => changes.push(change));
    const first = await store.create("a", { ...session(), owner: "ann" });
    const second = await store.create("b", { ...session(), owner: "ann" });
    assert.deepEqual(await keys(store, "ann"), ["b"]);
    assert.equal(await store.read("a"), undefined);
    assert.equal(await store.update("a", session(), first), "gone");
    assert.deepEqual(changes, [
      { key: "a", type: "write", version: first },
      { key: "a", type: "delete" },
      { key: "b", type: "write", version: second },
    ]);
  });

  test("lets the sessions of a list be read while it is iterated", async () => {
    const store = memory({ maxSessions: 100 });
    for (let index = 0; index < 10; index++) await store.create(`${index}`, session());
    const seen: string[] = [];
    for await (const { key } of store.list!({})) {
      seen.push(key);
      await store.read(key);
      assert.ok(seen.length <= 10, "each session comes once");
    }
    assert.equal(seen.length, 10);
  });
});

describe("maxBytes", () => {
  test("counts the bytes of values that grow, shrink and are deleted", async () => {
    const store = memory({ maxBytes: 100 });
    const a = await store.create("a", session(40));
    await store.create("b", session(40));
    await store.update("a", session(60), a);
    assert.deepEqual(await keys(store), ["a", "b"]);
    await store.create("c", session(1));
    assert.deepEqual(await keys(store), ["a", "c"], "b is removed, as a was written after it");
    await store.delete("a");
    await store.create("d", session(90));
    assert.deepEqual(await keys(store), ["c", "d"]);
  });

  test("always keeps the session that was written last", async () => {
    const store = memory({ maxBytes: 10 });
    await store.create("a", session(5));
    await store.create("b", session(50));
    assert.deepEqual(await keys(store), ["b"]);
    await store.create("c", session(5));
    assert.deepEqual(await keys(store), ["c"]);
  });
});

describe("a session leaves nothing in memory", () => {
  const endings: Record<string, (store: SessionStore, key: string) => Promise<unknown>> = {
    "when it is deleted": (store, key) => store.delete(key),
    "when it is touched, then deleted": async (store, key) => {
      await store.touch(key, Date.now() + 5_000);
      await store.touch(key, Date.now() + 50_000_000);
      await store.delete(key);
    },
    "when its owner changes before it is deleted": async (store, key) => {
      const found = await store.read(key);
      await store.update(key, { ...session(), owner: `other ${key}` }, found!.version);
      await store.delete(key);
    },
    "when it expires and is claimed": async (store, key) => {
      await store.touch(key, Date.now() - 2_000);
      assert.equal((await store.claimExpired!(Date.now(), 10)).length, 1);
    },
    "when its key is created again": async (store, key) => {
      await store.touch(key, Date.now() - 2_000);
      await store.create(key, session());
      await store.delete(key);
    },
  };
  for (const [when, end] of Object.entries(endings)) {
    test(when, async () => {
      const store = memory();
      const round = async (from: number, to: number) => {
        for (let index = from; index < to; index++) {
          const key = `key ${index}`;
          await store.create(key, {
            ...session(),
            owner: `owner ${index}`,
            expiresAt: Date.now() + 1_000_000 + index * 1000,
          });
          await end(store, key);
        }
      };
      await assertNothingStays(round);
      assert.deepEqual(await keys(store), []);
    });
  }

  test("when it is removed for a limit", async () => {
    const store = memory({ maxSessions: 10 });
    const fill = async (from: number, to: number) => {
      for (let index = from; index < to; index++) {
        const expiresAt = Date.now() + 1_000_000 + index * 1000;
        await store.create(`key ${index}`, { ...session(), owner: `owner ${index}`, expiresAt });
      }
    };
    await assertNothingStays(fill);
  });
});

describe("a clock that is set", () => {
  test("forward by decades does not block the process", async (t) => {
    t.mock.timers.enable({ apis: ["Date"], now: 0 });
    const store = memory();
    await store.create("old", { ...session(), expiresAt: 1_000 });
    t.mock.timers.setTime(1_800_000_000_000);
    await store.create("new", session());
    const claimed = await store.claimExpired!(Date.now(), 10);
    assert.deepEqual(
      claimed.map(({ key }) => key),
      ["old"],
    );
    assert.deepEqual(await keys(store), ["new"]);
  });

  test("backward hides no session from the sweep", async (t) => {
    t.mock.timers.enable({ apis: ["Date"], now: 1_800_000_000_000 });
    const store = memory();
    await store.claimExpired!(Date.now(), 10);
    t.mock.timers.setTime(1_700_000_000_000);
    await store.create("k", session());
    t.mock.timers.setTime(1_700_000_100_000);
    const claimed = await store.claimExpired!(Date.now(), 10);
    assert.deepEqual(
      claimed.map(({ key }) => key),
      ["k"],
    );
  });
});

describe("a write that runs out of memory changes nothing", () => {
  const owned = (text: string, owner: string) => ({ ...session(), value: Buffer.from(text), owner });
  const cases = [
    { what: "a page", made: "ArrayBuffer", length: 3_000 },
    { what: "a large value", made: "Uint8Array", length: 10_000 },
  ] as const;
  for (const { what, made, length } of cases) {
    test(what, async () => {
      const store = memory();
      const names = ["a", "b", "c", "d"];
      const versions = await Promise.all(names.map((name) => store.create(name, owned(name, name))));
      const late = owned("x".repeat(length), "late");
      const native = globalThis[made];
      Object.assign(globalThis, {
        [made]: function refuse() {
          throw new RangeError("Array buffer allocation failed");
        },
      });
      const failing = [store.update("a", late, versions[0]!), store.create("e", late)];
      Object.assign(globalThis, { [made]: native });
      for (const write of failing) await assert.rejects(write, RangeError);

      for (const [index, name] of names.entries()) {
        const { value, owner, version } = (await store.read(name))!;
        assert.deepEqual([Buffer.from(value).toString(), owner, version], [name, name, versions[index]]);
        assert.deepEqual(await keys(store, name), [name]);
      }
      assert.equal(await store.read("e"), undefined);
      for (const name of names) assert.equal(await store.delete(name), true);
      assert.deepEqual(await keys(store), []);
    });
  }
});

test("limits must be positive numbers", () => {
  for (const wrong of [0, -1, Number.NaN, "10", null]) {
    for (const option of ["maxSessions", "maxBytes"]) {
      assert.throws(
        () => memory({ [option]: wrong }),
        (error) => error instanceof OptionError && error.message.includes(option),
      );
    }
  }
});

function session(size = 4) {
  return { value: new Uint8Array(size), expiresAt: Date.now() + 60_000 };
}

async function keys(store: SessionStore, owner?: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { key } of store.list!(owner === undefined ? {} : { owner })) found.push(key);
  return found.sort();
}

/** Asserts that sessions leave nothing on the heap. V8's compilers may leave something there once, so the least of three counts. */
async function assertNothingStays(comeAndGo: (from: number, to: number) => Promise<void>): Promise<void> {
  const count = 20_000;
  let from = 5_000;
  await comeAndGo(0, from);
  let least = Infinity;
  for (let time = 0; time < 3 && least >= 60; time++, from += count) {
    const before = heap();
    await comeAndGo(from, from + count);
    least = Math.min(least, (heap() - before) / count);
  }
  assert.ok(least < 60, `each session left ${least} bytes`);
}

/** Bytes in use on the heap, after a garbage collection. */
function heap(): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}
