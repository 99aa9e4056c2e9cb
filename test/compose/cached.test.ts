import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type CachedOptions, cached } from "../../src/compose/index.ts";
import { conformance } from "../../src/conformance/index.ts";
import { OptionError } from "../../src/errors.ts";
import type { OpenedSession, SessionChange, SessionStore, StoredSession } from "../../src/store.ts";
import { Copies } from "../../src/stores/copies.ts";
import { memory } from "../../src/stores/memory.ts";
import { waitFor } from "../servers/process.ts";
import { Browser } from "../support/browser.ts";
import { setUp } from "../support/set-up.ts";
import { watched } from "../support/stores.ts";

const HOUR = 3_600_000;
const inAnHour = () => Date.now() + HOUR;
const session = (text = "coat", expiresAt = inAnHour()) => ({ value: new Uint8Array(Buffer.from(text)), expiresAt });
const textOf = (found: StoredSession | undefined) => found && Buffer.from(found.value).toString();

/** A memory store behind which another server writes, and whose calls and announcements the test holds up. */
function remote() {
  const inner = memory();
  const calls: string[] = [];
  const gates = new Map<string, Promise<void>>();
  let tell: (change: SessionChange) => void = () => {};
  let tellListening: (listening: boolean) => void = () => {};
  let refusals = 0;
  let slowness: (() => Promise<unknown>) | undefined;

  /** The store does it at once; its answer waits for the gate. */
  async function call<T>(name: string, answer: Promise<T>): Promise<T> {
    calls.push(name);
    const gate = gates.get(name);
    await answer;
    await gate;
    await slowness?.();
    return answer;
  }

  const store: SessionStore = {
    ...inner,
    read: (key, touchUntil) => call("read", inner.read(key, touchUntil)),
    create: (key, value) => call("create", inner.create(key, value)),
    update: (key, value, ifVersion) => call("update", inner.update(key, value, ifVersion)),
    delete: (key, ifVersion) => call("delete", inner.delete(key, ifVersion)),
    touch: (key, expiresAt) => call("touch", inner.touch(key, expiresAt)),
    async watch(listener, onListening = () => {}) {
      calls.push("watch");
      if (refusals-- > 0) throw new Error("no connection");
      await gates.get("watch");
      tell = listener;
      tellListening = onListening;
      return async () => void calls.push("stop");
    },
  };
  const { watch: _, inProcess: __, ...silent } = store;

  return {
    store,
    /** Without announcements. */
    silent,
    /** Past the cache, as another server has it. Nothing is announced. */
    inner,
    calls,
    announce: (change: SessionChange) => tell(change),
    listen: (listening: boolean) => tellListening(listening),
    refuse: (times: number) => {
      refusals = times;
    },
    /** Every answer waits for this. */
    slow: (wait: () => Promise<unknown>) => {
      slowness = wait;
    },
    /** Holds up the answers to a call until the result is called. */
    hold(name: string): () => void {
      const { promise, resolve } = Promise.withResolvers<void>();
      gates.set(name, promise);
      return () => {
        gates.delete(name);
        resolve();
      };
    },
  };
}

/** A cached store that listens, with a copy of a session. */
async function withCopy(options?: CachedOptions) {
  const there = remote();
  const store = cached(there.store, options);
  const version = await there.inner.create("k", session("one"));
  assert.ok(typeof version === "number");
  await store.read("k", inAnHour());
  await store.read("k", inAnHour());
  there.calls.length = 0;
  assert.equal(textOf(await store.read("k", inAnHour())), "one");
  assert.deepEqual(there.calls, [], "it is read from the copy");
  /** What the other server writes; it is not announced yet. */
  const write = async (text: string) => {
    const found = await there.inner.read("k");
    const next = await there.inner.update("k", session(text), found!.version);
    return { key: "k", type: "write", version: next } as const;
  };
  return { ...there, there, store, version, write };
}

/** One turn of the event loop: what can go on goes on. */
const turn = () => new Promise((resolve) => setImmediate(resolve));
const read = async (store: SessionStore) => textOf(await store.read("k", inAnHour()));

describe("cached: options", () => {
  test("are checked", () => {
    for (const maxBytes of [0, -1, Number.NaN, "1m" as unknown as number]) {
      assert.throws(() => cached(memory(), { maxBytes }), /"maxBytes" is .*: give a number of bytes above 0/);
    }
    assert.throws(() => cached(memory(), { maxAge: "soon" as "1s" }), /"maxAge" is "soon"/);
  });

  test("a store that announces nothing needs a maxAge", () => {
    const { silent } = remote();
    assert.throws(
      () => cached(silent),
      (error) => error instanceof OptionError && /"maxAge" is undefined/.test(error.message),
    );
    assert.equal(cached(silent, { maxAge: "5s" }).watch, undefined);
  });

  test("what the store can and can't do stays as it is", async () => {
    const { silent, store } = remote();
    const { list: _, claimExpired: __, ...bare } = silent;
    const poor = cached({ ...bare, atomic: false }, { maxAge: 1 });
    assert.deepEqual(
      [poor.list, poor.claimExpired, poor.watch, poor.inProcess, poor.atomic],
      [undefined, undefined, undefined, undefined, false],
    );
    const rich = cached(store);
    assert.deepEqual(
      [typeof rich.list, typeof rich.claimExpired, typeof rich.watch, rich.inProcess, rich.atomic],
      ["function", "function", "function", true, undefined],
    );
  });
});

describe("cached: copies", () => {
  test("are the bytes of one version, and the same object each time", async () => {
    const { store, write, announce } = await withCopy();
    const first = await store.read("k", inAnHour());
    assert.equal((await store.read("k", inAnHour()))!.value, first!.value);
    announce(await write("two"));
    assert.notEqual((await store.read("k", inAnHour()))!.value, first!.value);
    assert.equal(textOf(first), "one");
  });

  test("what was not found is asked for again", async () => {
    const { store, calls } = await withCopy();
    assert.equal(await store.read("none", inAnHour()), undefined);
    assert.equal(await store.read("none", inAnHour()), undefined);
    assert.deepEqual(calls, ["read", "read"]);
  });

  test("an expired one asks the store, where somebody may have touched it", async (t) => {
    const { store, inner, calls } = await withCopy();
    t.mock.timers.enable({ apis: ["Date"], now: Date.now() });
    await inner.touch("k", inAnHour() + HOUR);
    t.mock.timers.tick(HOUR + 1);
    assert.equal(await read(store), "one");
    assert.deepEqual(calls, ["read"]);
    t.mock.timers.tick(3 * HOUR);
    assert.equal(await read(store), undefined);
  });

  test("a touch moves the copy's expiry; one that finds nothing takes it away", async () => {
    const { store, inner, calls } = await withCopy();
    const later = inAnHour() + HOUR;
    assert.equal(await store.touch("k", later), true);
    assert.equal((await store.read("k", inAnHour()))!.expiresAt, later);
    assert.deepEqual(calls, ["touch"]);
    await inner.delete("k");
    assert.equal(await store.touch("k", later), false);
    assert.equal(await read(store), undefined);
  });

  test("a walk through all sessions leaves none", async () => {
    const { store, inner, calls } = await withCopy();
    for (let i = 0; i < 3; i++) await inner.create(`other ${i}`, session());
    for await (const { key } of store.list!({})) await store.read(key);
    for await (const { key } of store.list!({})) await store.read(key);
    assert.deepEqual(calls, Array(6).fill("read"), "k's copy answers, and the others have none");
  });

  test("own writes are read back without asking, also when they are announced later", async () => {
    const { store, version, announce, calls } = await withCopy();
    const next = await store.update("k", session("two"), version);
    assert.equal(await read(store), "two");
    announce({ key: "k", type: "write", version: next });
    assert.equal(await read(store), "two");
    assert.deepEqual(calls, ["update"]);
  });

  test("a new session has one from its first read on, and nothing of one that was there before", async () => {
    const { store, inner, calls } = await withCopy();
    await inner.delete("k");
    await store.create("k", session("fresh"));
    assert.equal(await read(store), "fresh");
    assert.equal(await read(store), "fresh");
    assert.deepEqual(calls, ["create", "read"]);
  });

  test("one's own bytes may be used again after a write", async () => {
    const { store, version } = await withCopy();
    const bytes = session("two");
    await store.update("k", bytes, version);
    bytes.value.fill(0);
    assert.equal(await read(store), "two");
  });

  test("an update that is refused takes the copy away", async () => {
    const { store, write, version, calls } = await withCopy();
    await write("two");
    assert.equal(await store.update("k", session("mine"), version), "conflict");
    assert.equal(await read(store), "two");
    assert.deepEqual(calls, ["update", "read"]);
  });

  test("an update, create or delete that fails takes it away, since it may have been done", async () => {
    for (const method of ["create", "update", "delete"] as const) {
      const there = remote();
      const store = cached({
        ...there.store,
        [method]: async () => {
          throw new Error("lost");
        },
      });
      const version = await there.inner.create("k", session("one"));
      await read(store);
      await read(store);
      await assert.rejects(
        method === "update"
          ? store.update("k", session("two"), version as number)
          : store[method]("k", session() as never),
        /lost/,
      );
      await there.inner.delete("k");
      assert.equal(await read(store), undefined, method);
    }
  });

  test("a session that is deleted here is gone here at once", async () => {
    const { store } = await withCopy();
    assert.equal(await store.delete("k"), true);
    assert.equal(await read(store), undefined);
  });

  test("a session that is deleted elsewhere is gone once that is announced, and is never written again", async () => {
    const { store, inner, version, announce } = await withCopy();
    await inner.delete("k");
    assert.equal(await read(store), "one", "the copy does not know it yet");
    announce({ key: "k", type: "delete" });
    assert.equal(await read(store), undefined);
    assert.equal(await store.update("k", session("zombie"), version), "gone");
    assert.equal(await read(store), undefined);
  });

  test("refresh asks the store, and its answer is the new copy", async () => {
    const { store, write, calls } = await withCopy();
    await write("two");
    assert.equal(textOf(await store.refresh!("k", inAnHour())), "two");
    assert.equal(await read(store), "two");
    assert.deepEqual(calls, ["read"]);
  });

  test("an announcement without a version takes any copy away", async () => {
    const { store, announce, calls } = await withCopy();
    announce({ key: "k", type: "write" });
    assert.equal(await read(store), "one");
    assert.deepEqual(calls, ["read"]);
  });

  test("are good for maxAge, with and without announcements", async (t) => {
    t.mock.timers.enable({ apis: ["Date"], now: 1_700_000_000_000 });
    for (const pick of ["store", "silent"] as const) {
      const there = remote();
      const store = cached(there[pick], { maxAge: "5s" });
      const version = await there.inner.create("k", session("one"));
      await read(store);
      await read(store);
      await there.inner.update("k", session("two"), version as number);
      t.mock.timers.tick(5_000);
      assert.equal(await read(store), "one");
      t.mock.timers.tick(1);
      assert.equal(await read(store), "two");
      t.mock.timers.setTime(Date.now() - 60_000);
      await there.inner.delete("k");
      assert.equal(await read(store), undefined, "a clock that is set back trusts no copy");
    }
  });
});

describe("cached: a change while a call is under way", () => {
  test("a read that it overtakes leaves no copy", async () => {
    const { store, there, write, announce } = await withCopy();
    announce(await write("two"));
    const release = there.hold("read");
    const reading = read(store);
    await turn();
    announce(await write("three"));
    release();
    assert.equal(await reading, "two", "it was so when it was asked");
    assert.equal(await read(store), "three");
  });

  test("a read that brings the very version that is announced leaves a copy", async () => {
    const { store, there, write, announce, calls } = await withCopy();
    const change = await write("two");
    announce(change);
    const release = there.hold("read");
    const reading = read(store);
    announce(change);
    release();
    assert.equal(await reading, "two");
    calls.length = 0;
    assert.equal(await read(store), "two");
    assert.deepEqual(calls, []);
  });

  test("a delete, and a session that begins anew under the key, are changes, too", async () => {
    const { store, there, inner, announce } = await withCopy();
    announce({ key: "k", type: "write", version: -1 });
    const release = there.hold("read");
    const reading = read(store);
    await turn();
    await inner.delete("k");
    announce({ key: "k", type: "delete" });
    release();
    assert.equal(await reading, "one");
    assert.equal(await read(store), undefined);
  });

  test("an own write that another one overtakes leaves no copy", async () => {
    const { store, there, inner, write, version, announce } = await withCopy();
    const release = there.hold("update");
    const writing = store.update("k", session("mine"), version);
    announce({ key: "k", type: "write", version: (await inner.read("k"))!.version });
    announce(await write("theirs"));
    release();
    await writing;
    assert.equal(await read(store), "theirs");
  });

  test("an own write that is announced before its answer leaves a copy", async () => {
    const { store, there, inner, version, announce, calls } = await withCopy();
    const release = there.hold("update");
    const writing = store.update("k", session("mine"), version);
    await turn();
    announce({ key: "k", type: "write", version: (await inner.read("k"))!.version });
    release();
    await writing;
    assert.equal(await read(store), "mine");
    assert.deepEqual(calls, ["update"]);
  });

  test("an own write that is announced during the next one, or after it, takes no copy away", async () => {
    const { store, there, version, announce, calls } = await withCopy();
    const second = await store.update("k", session("two"), version);
    const release = there.hold("update");
    const writing = store.update("k", session("three"), second);
    announce({ key: "k", type: "write", version: second });
    release();
    const third = await writing;
    assert.equal(await read(store), "three");
    await store.update("k", session("four"), third);
    announce({ key: "k", type: "write", version: third });
    assert.equal(await read(store), "four");
    assert.deepEqual(calls, ["update", "update", "update"]);
    announce({ key: "k", type: "write", version: second });
    await read(store);
    assert.equal(calls.at(-1), "read", "an older one might be anything");
  });

  test("an own write overtakes a read", async () => {
    const { store, there, version, announce } = await withCopy();
    announce({ key: "k", type: "write", version: -1 });
    const release = there.hold("read");
    const reading = read(store);
    await turn();
    await store.update("k", session("mine"), version);
    release();
    assert.equal(await reading, "one");
    assert.equal(await read(store), "mine");
  });

  test("a read that begins during an own write and ends before it leaves no older copy", async () => {
    const { silent, inner, hold } = remote();
    const store = cached(silent, { maxAge: "1h" });
    const version = (await inner.create("k", session("one"))) as number;
    const stale = hold("read");
    const reading = read(store);
    await turn();
    const release = hold("update");
    const writing = store.update("k", session("mine"), version);
    await turn();
    stale();
    await reading;
    release();
    await writing;
    assert.equal(await read(store), "mine");
  });

  test("an own delete overtakes a read", async () => {
    const { silent, inner, hold } = remote();
    const store = cached(silent, { maxAge: "1h" });
    await inner.create("k", session("one"));
    const release = hold("read");
    const reading = read(store);
    await turn();
    await store.delete("k");
    release();
    assert.equal(await reading, "one");
    assert.equal(await read(store), undefined, "logout is final, also for a copy that was on its way");
  });

  test("of a loss and a return of the announcements, a read leaves no copy", async () => {
    const { store, there, write, announce, listen } = await withCopy({ onListening: () => {} });
    announce({ key: "k", type: "write", version: -1 });
    const release = there.hold("read");
    const reading = read(store);
    await turn();
    listen(false);
    await write("two");
    listen(true);
    release();
    assert.equal(await reading, "one");
    assert.equal(await read(store), "two");
  });

  test("in any order, no read is older than what was announced before it", async () => {
    for (let seed = 1; seed <= 200; seed++) {
      const { store, there, inner, announce } = await withCopy();
      const random = randomNumbers(seed);
      const some = async (turns: number) => {
        for (let left = random(turns); left > 0; left--) await turn();
      };
      there.slow(() => some(6));
      let known = 0;
      const look = async (method: "read" | "refresh") => {
        const least = known;
        const found = await store[method]!("k", inAnHour());
        assert.ok(Number(found!.version) >= least, `seed ${seed}: ${found!.version} after ${least}`);
      };
      const work: Promise<unknown>[] = [];
      let announcing = Promise.resolve();
      for (let step = 0; step < 25; step++) {
        await some(3);
        const what = random(6);
        if (what < 2) work.push(look("read"));
        else if (what === 2) work.push(look("refresh"));
        else {
          const { version } = (await inner.read("k"))!;
          const writer = what === 3 ? inner : store;
          work.push(writer.update("k", session(`step ${step}`), version));
          const written = (await inner.read("k"))!.version as number;
          announcing = announcing.then(async () => {
            await some(4);
            known = written;
            announce({ key: "k", type: "write", version: written });
          });
        }
      }
      await Promise.all([...work, announcing]);
      assert.equal(await read(store), textOf(await inner.read("k")), `seed ${seed}`);
    }
  });
});

describe("cached: announcements", () => {
  test("are listened to from the first call on; until then nothing is kept", async () => {
    const there = remote();
    const store = cached(there.store);
    assert.deepEqual(there.calls, []);
    await there.inner.create("k", session("one"));
    const release = there.hold("watch");
    await read(store);
    await read(store);
    assert.deepEqual(there.calls, ["watch", "read", "read"]);
    release();
    await turn();
    await read(store);
    await read(store);
    assert.deepEqual(there.calls, ["watch", "read", "read", "read"]);
    await store.close();
    assert.equal(there.calls.at(-1), "stop");
  });

  test("that are lost empty the cache, and every read asks the store until they are back", async () => {
    const told: boolean[] = [];
    const { store, there, write, listen, calls } = await withCopy({ onListening: (state) => told.push(state) });
    await write("two");
    listen(false);
    for (const text of ["two", "three", "four"]) {
      assert.equal(await read(store), text);
      await write(text === "two" ? "three" : "four");
    }
    assert.deepEqual(calls, ["read", "read", "read"]);
    listen(true);
    calls.length = 0;
    await read(store);
    await read(store);
    assert.deepEqual(calls, ["read"]);
    assert.deepEqual(told, [false, true]);
    there.listen(true);
    assert.deepEqual(told, [false, true], "only changes are told");
  });

  test("that can't be had are asked for again, and it is told once", async (t) => {
    const told: boolean[] = [];
    const there = remote();
    there.refuse(2);
    t.mock.timers.enable({ apis: ["Date"], now: 1_700_000_000_000 });
    const store = cached(there.store, { onListening: (state) => told.push(state) });
    await there.inner.create("k", session("one"));
    for (let round = 0; round < 3; round++) {
      await read(store);
      await read(store);
      await turn();
      t.mock.timers.tick(1_000);
    }
    await read(store);
    assert.deepEqual(told, [false, true]);
    assert.equal(there.calls.filter((name) => name === "watch").length, 3);
  });

  test("their loss is a warning of the process, unless somebody is told", async (t) => {
    const warned: string[] = [];
    t.mock.method(process, "emitWarning", (text: string) => warned.push(text));
    const { listen } = await withCopy();
    listen(false);
    listen(true);
    assert.equal(warned.length, 2);
    assert.match(warned[0]!, /announcements don't come: no session is cached/);
    assert.match(warned[1]!, /again/);
  });

  test("a close while they begin ends them", async () => {
    const there = remote();
    const store = cached(there.store);
    const release = there.hold("watch");
    await store.read("k");
    await store.read("k", inAnHour());
    await store.close();
    release();
    await waitFor("the end", () => there.calls.at(-1) === "stop");
  });
});

test("cached: while a store is down that announces nothing, copies answer until they are maxAge old", async (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: 1_700_000_000_000 });
  const inner = watched();
  const { sessions, browser } = setUp({ store: cached(inner, { maxAge: "5s" }) });
  const writer = new Browser(sessions);
  for (const one of [browser, writer]) {
    await one.request((session) => session.set("n", 1));
    assert.deepEqual(await one.contents(), { n: 1 });
  }
  let isDown = false;
  sessions.on("storeDown", () => {
    isDown = true;
  });
  inner.before = () => {
    throw new Error("down");
  };
  while (!isDown)
    await assert.rejects(
      writer.request((session) => session.set("n", 2)),
      { name: "StoreError" },
    );
  await assert.rejects(writer.contents(), { name: "StoreError" }, "it is not known what became of the change");
  assert.deepEqual(await browser.contents(), { n: 1 });
  t.mock.timers.tick(5_001);
  await assert.rejects(browser.contents(), { name: "StoreError" });
});

describe("cached: the byte bound", () => {
  test("holds under churn, and what is in use stays", async () => {
    const there = remote();
    const maxBytes = 200_000;
    const store = cached(there.store, { maxBytes });
    await store.create("hot", session("hot"));
    await store.read("hot", inAnHour());
    await turn();
    there.calls.length = 0;
    for (let i = 0; i < 5_000; i++) {
      await store.create(`k${i}`, { value: new Uint8Array(i % 3_000), expiresAt: inAnHour() });
      await store.read(`k${i}`, inAnHour());
      await store.read("hot", inAnHour());
    }
    const misses = there.calls.filter((name) => name === "read").length - 5_000;
    assert.ok(misses < 5, `what is read all the time was driven out ${misses} times`);
    let kept = 0;
    for (let i = 0; i < 5_000; i++) {
      there.calls.length = 0;
      const found = await store.read(`k${i}`);
      if (there.calls.length === 0) kept += found!.value.length;
    }
    assert.ok(kept > maxBytes / 4 && kept < maxBytes, `${kept} bytes of values`);
  });

  test("counts what is kept beside a copy, once, and only as long as the copy is there", () => {
    const copies = new Copies(1_000_000);
    const put = (key: string) => copies.put(key, { ...session(), version: 1 }, 0);
    const { copy } = put("k");
    const alone = copies.bytes;
    copy!.keep(opened(10_000));
    copy!.keep(opened(10_001));
    assert.equal(copy!.opened!.bytes.length, 10_000);
    const both = copies.bytes;
    assert.ok(both >= alone + 10_000 && both < alone + 20_000);
    const next = put("k").copy!;
    assert.equal(copies.bytes, alone);
    assert.equal(next.opened, undefined);
    const last = put("k").copy!;
    next.keep(opened(10_000));
    assert.equal(copies.bytes, alone);
    last.keep(opened(2_000_000));
    assert.equal(copies.get("k"), undefined, "it would drive everything else out");
    assert.equal(copies.bytes, 0);
  });

  test("what is removed is not kept alive", async () => {
    setFlagsFromString("--expose-gc");
    const collectGarbage = runInNewContext("gc") as () => void;
    const copies = new Copies(64_000_000);
    const removed = Array.from({ length: 1_000 }, (_, i) => {
      const { copy } = copies.put(`k${i}`, { ...session(), version: 1 }, 0);
      return new WeakRef(copy!);
    });
    for (let i = 0; i < 999; i++) copies.delete(`k${i}`);
    await turn();
    collectGarbage();
    assert.deepEqual(
      removed.map((ref, i) => ref.deref() && i).filter((i) => i !== undefined),
      [999],
    );
  });

  test("a session that is too large for it is not kept, and drives none out", async () => {
    const { store, calls } = await withCopy({ maxBytes: 10_000 });
    await store.create("large", { value: new Uint8Array(20_000), expiresAt: inAnHour() });
    await store.read("large");
    assert.deepEqual(calls, ["create", "read"]);
    await read(store);
    assert.deepEqual(calls, ["create", "read"]);
  });

  test("holds when all copies are in use", () => {
    const copies = new Copies(2_000_000);
    for (let i = 0; i < 10_000; i++) {
      copies.put(`k${i}`, { ...session(), version: 1 }, 0);
      for (let j = Math.max(0, i - 3_000); j <= i; j += 7) copies.get(`k${j}`);
      assert.ok(copies.bytes <= 2_000_000);
    }
    assert.ok(copies.bytes > 1_900_000);
    copies.clear();
    assert.equal(copies.bytes, 0);
    copies.put("k", { ...session(), version: 1 }, 0);
    assert.ok(copies.get("k"));
  });
});

describe("cached(memory): conformance", () => {
  const promised = { shared: false, list: true, claimExpired: true, watch: true };
  for (const { name, run } of conformance(() => cached(memory()), promised)) test(name, run);
});

/** Whole numbers below a limit, the same ones for the same seed. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** Stands for an opened session of so many bytes. */
function opened(length: number): OpenedSession {
  const kept = { bytes: new Uint8Array(length), detached: () => kept };
  return kept;
}
