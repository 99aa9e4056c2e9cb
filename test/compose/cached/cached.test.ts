// cached: what is cached, for how long, and what drops an entry.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type CachedOptions, cached } from "../../../src/compose/index.ts";
import { conformance } from "../../../src/conformance/index.ts";
import { OptionError } from "../../../src/errors.ts";
import type { OpenedSession, SessionChange, SessionStore, StoredSession } from "../../../src/store.ts";
import { memory } from "../../../src/stores/memory/index.ts";
import { SessionCache } from "../../../src/stores/shared/session-cache.ts";
import { waitFor } from "../../servers/process.ts";
import { Browser } from "../../support/browser.ts";
import { setUp } from "../../support/set-up.ts";
import { shiftedStore } from "../../support/shifted-store.ts";
import { watched } from "../../support/stores.ts";

const HOUR = 3_600_000;
const inAnHour = () => Date.now() + HOUR;
const session = (text = "coat", expiresAt = inAnHour()) => ({ value: new Uint8Array(Buffer.from(text)), expiresAt });
const textOf = (found: StoredSession | undefined) => found && Buffer.from(found.value).toString();

/** A memory store that another server also writes to. The test delays its calls and makes its announcements. */
function remote() {
  const inner = memory();
  const calls: string[] = [];
  const gates = new Map<string, Promise<void>>();
  let announce: (change: SessionChange) => void = () => {};
  let setListening: (listening: boolean) => void = () => {};
  let refusals = 0;
  let delay: (() => Promise<unknown>) | undefined;

  /** The store makes the call immediately. Only its answer waits for the gate. */
  async function call<T>(name: string, answer: Promise<T>): Promise<T> {
    calls.push(name);
    const gate = gates.get(name);
    await answer;
    await gate;
    await delay?.();
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
      announce = listener;
      setListening = onListening;
      return async () => void calls.push("stop");
    },
  };
  const { watch: _, inProcess: __, ...silent } = store;

  return {
    store,
    /** Without announcements. */
    silent,
    /** Not cached, as another server uses it. Its writes are not announced. */
    inner,
    calls,
    announce: (change: SessionChange) => announce(change),
    listen: (listening: boolean) => setListening(listening),
    refuse: (times: number) => {
      refusals = times;
    },
    /** Every answer waits for the promise that `wait` gives. */
    delay: (wait: () => Promise<unknown>) => {
      delay = wait;
    },
    /** Holds back the answers to a call until the returned function is called. */
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

/** A cached store that listens, with one cached session. */
async function withEntry(options?: CachedOptions) {
  const there = remote();
  const store = cached(there.store, options);
  const version = await there.inner.create("k", session("one"));
  assert.ok(typeof version === "number");
  await store.read("k", inAnHour());
  await store.read("k", inAnHour());
  there.calls.length = 0;
  assert.equal(textOf(await store.read("k", inAnHour())), "one");
  assert.deepEqual(there.calls, [], "the read was not cached");
  /** A write of the other server, and its announcement, which is not made yet. */
  const write = async (text: string) => {
    const found = await there.inner.read("k");
    const next = await there.inner.update("k", session(text), found!.version);
    return { key: "k", type: "write", version: next } as const;
  };
  return { ...there, there, store, version, write };
}

/** One turn of the event loop. */
const turn = () => new Promise((resolve) => setImmediate(resolve));
const read = async (store: SessionStore) => textOf(await store.read("k", inAnHour()));

describe("cached: options", () => {
  test("are checked", () => {
    for (const maxBytes of [0, -1, Number.NaN, "1m" as unknown as number]) {
      assert.throws(() => cached(memory(), { maxBytes }), /"maxBytes" is .*: give a number of bytes above 0/);
    }
    assert.throws(() => cached(memory(), { maxAge: "soon" as "1s" }), /"maxAge" is "soon"/);
  });

  test("a store that does not announce changes needs a maxAge", () => {
    const { silent } = remote();
    assert.throws(
      () => cached(silent),
      (error) => error instanceof OptionError && /"maxAge" is undefined/.test(error.message),
    );
    assert.equal(cached(silent, { maxAge: "5s" }).watch, undefined);
  });

  test("the store's abilities and traits are kept", async () => {
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

describe("cached: entries", () => {
  test("are the value of one version, and the same object each time", async () => {
    const { store, write, announce } = await withEntry();
    const first = await store.read("k", inAnHour());
    assert.equal((await store.read("k", inAnHour()))!.value, first!.value);
    announce(await write("two"));
    assert.notEqual((await store.read("k", inAnHour()))!.value, first!.value);
    assert.equal(textOf(first), "one");
  });

  test("a key that was not found is asked for again", async () => {
    const { store, calls } = await withEntry();
    assert.equal(await store.read("none", inAnHour()), undefined);
    assert.equal(await store.read("none", inAnHour()), undefined);
    assert.deepEqual(calls, ["read", "read"]);
  });

  test("an expired entry asks the store, where another server may have touched the session", async (t) => {
    const { store, inner, calls } = await withEntry();
    t.mock.timers.enable({ apis: ["Date"], now: Date.now() });
    await inner.touch("k", inAnHour() + HOUR);
    t.mock.timers.tick(HOUR + 1);
    assert.equal(await read(store), "one");
    assert.deepEqual(calls, ["read"]);
    t.mock.timers.tick(3 * HOUR);
    assert.equal(await read(store), undefined);
  });

  test("a touch moves the entry's expiry, and drops the entry if the session is gone", async () => {
    const { store, inner, calls } = await withEntry();
    const later = inAnHour() + HOUR;
    assert.equal(await store.touch("k", later), true);
    assert.equal((await store.read("k", inAnHour()))!.expiresAt, later);
    assert.deepEqual(calls, ["touch"]);
    await inner.delete("k");
    assert.equal(await store.touch("k", later), false);
    assert.equal(await read(store), undefined);
  });

  test("go by the store's clock, whatever this server's own says", async () => {
    for (const ahead of [HOUR, -HOUR]) {
      const inner = shiftedStore(ahead);
      let reads = 0;
      const counted: SessionStore = {
        ...inner,
        read: (key) => {
          reads++;
          return inner.read(key);
        },
      };
      const store = cached(counted, { maxAge: "1h" });
      const expiresAt = (await store.time!()) + 400;
      await store.create("k", session("one", expiresAt));
      await read(store);
      assert.equal(await read(store), "one");
      assert.equal(reads, 1, "a live session is not served from its entry");
      await sleep(450);
      assert.equal(await read(store), undefined);
      assert.equal(reads, 2, "an expired session is served from its entry");
    }
  });

  test("are not served before the store's time is known", async () => {
    const inner = shiftedStore(HOUR);
    const time = inner.time!;
    inner.time = () => Promise.reject(new Error("no time"));
    const store = cached(inner, { maxAge: "1h" });
    await inner.create("k", session("one", inAnHour() + HOUR));
    await read(store);
    assert.equal(store.sync!.read("k"), undefined);
    inner.time = time;
    await read(store);
    assert.equal(textOf(store.sync!.read("k")), "one");
  });

  test("a walk through all sessions caches none", async () => {
    const { store, inner, calls } = await withEntry();
    for (let i = 0; i < 3; i++) await inner.create(`other ${i}`, session());
    for await (const { key } of store.list!({})) await store.read(key);
    for await (const { key } of store.list!({})) await store.read(key);
    assert.deepEqual(calls, Array(6).fill("read"), "only k is cached");
  });

  test("own writes are read back without a store call, also when they are announced later", async () => {
    const { store, version, announce, calls } = await withEntry();
    const next = await store.update("k", session("two"), version);
    assert.equal(await read(store), "two");
    announce({ key: "k", type: "write", version: next });
    assert.equal(await read(store), "two");
    assert.deepEqual(calls, ["update"]);
  });

  test("a new session is cached by its first read, with nothing of an earlier session", async () => {
    const { store, inner, calls } = await withEntry();
    await inner.delete("k");
    await store.create("k", session("fresh"));
    assert.equal(await read(store), "fresh");
    assert.equal(await read(store), "fresh");
    assert.deepEqual(calls, ["create", "read"]);
  });

  test("the caller may reuse its buffer after a write", async () => {
    const { store, version } = await withEntry();
    const bytes = session("two");
    await store.update("k", bytes, version);
    bytes.value.fill(0);
    assert.equal(await read(store), "two");
  });

  test("a refused update drops the entry", async () => {
    const { store, write, version, calls } = await withEntry();
    await write("two");
    assert.equal(await store.update("k", session("mine"), version), "conflict");
    assert.equal(await read(store), "two");
    assert.deepEqual(calls, ["update", "read"]);
  });

  test("an update, create or delete that fails drops the entry, since it may have been applied", async () => {
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

  test("a session that is deleted here is gone here immediately", async () => {
    const { store } = await withEntry();
    assert.equal(await store.delete("k"), true);
    assert.equal(await read(store), undefined);
  });

  test("a session that is deleted elsewhere is gone once that is announced, and is not revived", async () => {
    const { store, inner, version, announce } = await withEntry();
    await inner.delete("k");
    assert.equal(await read(store), "one", "the entry was dropped before the announcement");
    announce({ key: "k", type: "delete" });
    assert.equal(await read(store), undefined);
    assert.equal(await store.update("k", session("zombie"), version), "gone");
    assert.equal(await read(store), undefined);
  });

  test("refresh asks the store, and caches the answer", async () => {
    const { store, write, calls } = await withEntry();
    await write("two");
    assert.equal(textOf(await store.refresh!("k", inAnHour())), "two");
    assert.equal(await read(store), "two");
    assert.deepEqual(calls, ["read"]);
  });

  test("an announcement without a version drops any entry", async () => {
    const { store, announce, calls } = await withEntry();
    announce({ key: "k", type: "write" });
    assert.equal(await read(store), "one");
    assert.deepEqual(calls, ["read"]);
  });

  test("are served for maxAge, with and without announcements", async (t) => {
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
      assert.equal(await read(store), undefined, "an entry was served after the clock was set back");
    }
  });
});

describe("cached: a store that loses sessions without announcing it", () => {
  /** A cached store with the entries "k" and "other", whose sessions the store then loses. */
  async function withLost() {
    const there = await withEntry();
    const { store, inner, calls } = there;
    const readOther = async () => textOf(await store.read("other", inAnHour()));
    const again = async () => {
      await inner.create("other", session("other"));
      await readOther();
      await inner.delete("other");
      calls.length = 0;
    };
    await again();
    await inner.delete("k");
    return { ...there, readOther, again };
  }

  const findings: [string, (store: SessionStore, version: number) => Promise<unknown>][] = [
    ["an update", (store, version) => store.update("k", session("mine"), version)],
    ["a touch", (store) => store.touch("k", inAnHour())],
    ["a delete", (store) => store.delete("k")],
    ["a read past the cache", (store) => store.refresh!("k", inAnHour())],
  ];
  for (const [what, find] of findings) {
    test(`${what} that finds a session gone drops all entries, for the sync path too`, async () => {
      const { store, version, readOther } = await withLost();
      assert.equal(await readOther(), "other", "the loss is not known yet");
      await find(store, version);
      assert.deepEqual([store.sync!.read("k"), store.sync!.read("other")], [undefined, undefined]);
      assert.deepEqual([await read(store), await readOther()], [undefined, undefined]);
    });
  }

  test("an announced end is no loss, and drops its own entry only", async () => {
    const { store, version, readOther, announce } = await withLost();
    announce({ key: "k", type: "delete" });
    assert.equal(await store.update("k", session("mine"), version), "gone");
    assert.equal(await readOther(), "other");
  });

  test("losses in a row drop all entries once in a while, so that a store that evicts sessions is cached", async () => {
    const { store, inner, version, readOther, again } = await withLost();
    await store.update("k", session("mine"), version);
    await again();
    await inner.create("k", session("one"));
    await read(store);
    await inner.delete("k");
    await store.touch("k", inAnHour());
    assert.equal(await readOther(), "other");
  });

  test("an entry is asked for again after a minute by default", async (t) => {
    t.mock.timers.enable({ apis: ["Date"], now: 1_700_000_000_000 });
    const { store, inner } = await withEntry();
    await inner.delete("k");
    t.mock.timers.tick(60_000);
    assert.equal(await read(store), "one");
    t.mock.timers.tick(1);
    assert.equal(store.sync!.read("k"), undefined);
    assert.equal(await read(store), undefined);
  });
});

describe("cached: a change during a pending call", () => {
  test("a read is not cached if a change is announced before its answer", async () => {
    const { store, there, write, announce } = await withEntry();
    announce(await write("two"));
    const release = there.hold("read");
    const reading = read(store);
    await turn();
    announce(await write("three"));
    release();
    assert.equal(await reading, "two", "the state when the store was asked");
    assert.equal(await read(store), "three");
  });

  test("a read of the very version that is announced is cached", async () => {
    const { store, there, write, announce, calls } = await withEntry();
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

  test("a read is not cached if a delete is announced before its answer", async () => {
    const { store, there, inner, announce } = await withEntry();
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

  test("an own write is not cached if another server's write is announced before its answer", async () => {
    const { store, there, inner, write, version, announce } = await withEntry();
    const release = there.hold("update");
    const writing = store.update("k", session("mine"), version);
    announce({ key: "k", type: "write", version: (await inner.read("k"))!.version });
    announce(await write("theirs"));
    release();
    await writing;
    assert.equal(await read(store), "theirs");
  });

  test("an own write that is announced before its answer is cached", async () => {
    const { store, there, inner, version, announce, calls } = await withEntry();
    const release = there.hold("update");
    const writing = store.update("k", session("mine"), version);
    await turn();
    announce({ key: "k", type: "write", version: (await inner.read("k"))!.version });
    release();
    await writing;
    assert.equal(await read(store), "mine");
    assert.deepEqual(calls, ["update"]);
  });

  test("an own write that is announced during or after the next one drops no entry", async () => {
    const { store, there, version, announce, calls } = await withEntry();
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
    assert.equal(calls.at(-1), "read", "the announcement of an unknown version dropped no entry");
  });

  test("a pending read does not replace the entry of a later own write", async () => {
    const { store, there, version, announce } = await withEntry();
    announce({ key: "k", type: "write", version: -1 });
    const release = there.hold("read");
    const reading = read(store);
    await turn();
    await store.update("k", session("mine"), version);
    release();
    assert.equal(await reading, "one");
    assert.equal(await read(store), "mine");
  });

  test("a read that ends during an own write leaves no older entry", async () => {
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

  test("a pending read is not cached after an own delete", async () => {
    const { silent, inner, hold } = remote();
    const store = cached(silent, { maxAge: "1h" });
    await inner.create("k", session("one"));
    const release = hold("read");
    const reading = read(store);
    await turn();
    await store.delete("k");
    release();
    assert.equal(await reading, "one");
    assert.equal(await read(store), undefined, "a read cached a session after its logout");
  });

  test("a read is not cached if announcements stop and resume during it", async () => {
    const { store, there, write, announce, listen } = await withEntry({ onListening: () => {} });
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

  test("in any order of calls, no read is older than a change announced before it", async () => {
    for (let seed = 1; seed <= 200; seed++) {
      const { store, there, inner, announce } = await withEntry();
      const random = randomNumbers(seed);
      const someTurns = async (turns: number) => {
        for (let left = random(turns); left > 0; left--) await turn();
      };
      there.delay(() => someTurns(6));
      let known = 0;
      const check = async (method: "read" | "refresh") => {
        const least = known;
        const found = await store[method]!("k", inAnHour());
        assert.ok(
          Number(found!.version) >= least,
          `seed ${seed}: read version ${found!.version} after ${least} was announced`,
        );
      };
      const calls: Promise<unknown>[] = [];
      let announcing = Promise.resolve();
      for (let step = 0; step < 25; step++) {
        await someTurns(3);
        const what = random(6);
        if (what < 2) calls.push(check("read"));
        else if (what === 2) calls.push(check("refresh"));
        else {
          const { version } = (await inner.read("k"))!;
          const writer = what === 3 ? inner : store;
          calls.push(writer.update("k", session(`step ${step}`), version));
          const written = (await inner.read("k"))!.version as number;
          announcing = announcing.then(async () => {
            await someTurns(4);
            known = written;
            announce({ key: "k", type: "write", version: written });
          });
        }
      }
      await Promise.all([...calls, announcing]);
      assert.equal(await read(store), textOf(await inner.read("k")), `seed ${seed}`);
    }
  });
});

describe("cached: announcements", () => {
  test("are subscribed to by the first call, and nothing is cached before the subscription", async () => {
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

  test("that stop empty the cache, and every read asks the store until they resume", async () => {
    const states: boolean[] = [];
    const { store, there, write, listen, calls } = await withEntry({ onListening: (state) => states.push(state) });
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
    assert.deepEqual(states, [false, true]);
    there.listen(true);
    assert.deepEqual(states, [false, true], "onListening was called without a change");
  });

  test("that can't be subscribed to are tried again, with one call of onListening", async (t) => {
    const states: boolean[] = [];
    const there = remote();
    there.refuse(2);
    t.mock.timers.enable({ apis: ["Date"], now: 1_700_000_000_000 });
    const store = cached(there.store, { onListening: (state) => states.push(state) });
    await there.inner.create("k", session("one"));
    for (let round = 0; round < 3; round++) {
      await read(store);
      await read(store);
      await turn();
      t.mock.timers.tick(1_000);
    }
    await read(store);
    assert.deepEqual(states, [false, true]);
    assert.equal(there.calls.filter((name) => name === "watch").length, 3);
  });

  test("that stop or resume are a process warning by default", async (t) => {
    const warned: string[] = [];
    t.mock.method(process, "emitWarning", (text: string) => warned.push(text));
    const { listen } = await withEntry();
    listen(false);
    listen(true);
    assert.equal(warned.length, 2);
    assert.match(warned[0]!, /announcements of changes do not arrive, so no session is cached/);
    assert.match(warned[1]!, /again/);
  });

  test("end if the store is closed while they start", async () => {
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

test("cached: while a store without announcements is down, entries are served until maxAge", async (t) => {
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
  await assert.rejects(
    writer.contents(),
    { name: "StoreError" },
    "the write is indeterminate, and the old entry was served",
  );
  assert.deepEqual(await browser.contents(), { n: 1 });
  t.mock.timers.tick(5_001);
  await assert.rejects(browser.contents(), { name: "StoreError" });
});

describe("cached: the byte bound", () => {
  test("holds under churn, and sessions in use stay cached", async () => {
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
    assert.ok(misses < 5, `a session in use was evicted ${misses} times`);
    let kept = 0;
    for (let i = 0; i < 5_000; i++) {
      there.calls.length = 0;
      const found = await store.read(`k${i}`);
      if (there.calls.length === 0) kept += found!.value.length;
    }
    assert.ok(kept > maxBytes / 4 && kept < maxBytes, `${kept} bytes of values are cached`);
  });

  test("counts an opened session once, and only as long as its entry is cached", () => {
    const cache = new SessionCache(1_000_000);
    const put = (key: string) => cache.put(key, { ...session(), version: 1 }, 0);
    const { copy } = put("k");
    const alone = cache.bytes;
    copy!.keep(opened(10_000));
    copy!.keep(opened(10_001));
    assert.equal(copy!.opened!.bytes.length, 10_000);
    const both = cache.bytes;
    assert.ok(both >= alone + 10_000 && both < alone + 20_000);
    const next = put("k").copy!;
    assert.equal(cache.bytes, alone);
    assert.equal(next.opened, undefined);
    const last = put("k").copy!;
    next.keep(opened(10_000));
    assert.equal(cache.bytes, alone);
    last.keep(opened(2_000_000));
    assert.equal(cache.get("k"), undefined, "an entry larger than the cache was kept");
    assert.equal(cache.bytes, 0);
  });

  test("a removed entry can be garbage-collected", async () => {
    setFlagsFromString("--expose-gc");
    const collectGarbage = runInNewContext("gc") as () => void;
    const cache = new SessionCache(64_000_000);
    const removed = Array.from({ length: 1_000 }, (_, i) => {
      const { copy } = cache.put(`k${i}`, { ...session(), version: 1 }, 0);
      return new WeakRef(copy!);
    });
    for (let i = 0; i < 999; i++) cache.delete(`k${i}`);
    await turn();
    collectGarbage();
    assert.deepEqual(
      removed.map((ref, i) => ref.deref() && i).filter((i) => i !== undefined),
      [999],
    );
  });

  test("a session that is larger than the cache is not cached, and evicts none", async () => {
    const { store, calls } = await withEntry({ maxBytes: 10_000 });
    await store.create("large", { value: new Uint8Array(20_000), expiresAt: inAnHour() });
    await store.read("large");
    assert.deepEqual(calls, ["create", "read"]);
    await read(store);
    assert.deepEqual(calls, ["create", "read"]);
  });

  test("holds when all entries are in use", () => {
    const cache = new SessionCache(2_000_000);
    for (let i = 0; i < 10_000; i++) {
      cache.put(`k${i}`, { ...session(), version: 1 }, 0);
      for (let j = Math.max(0, i - 3_000); j <= i; j += 7) cache.get(`k${j}`);
      assert.ok(cache.bytes <= 2_000_000);
    }
    assert.ok(cache.bytes > 1_900_000);
    cache.clear();
    assert.equal(cache.bytes, 0);
    cache.put("k", { ...session(), version: 1 }, 0);
    assert.ok(cache.get("k"));
  });
});

describe("cached: conformance with memory", () => {
  const promised = { shared: false, list: true, claimExpired: true, watch: true, time: false };
  for (const { name, run } of conformance(() => cached(memory()), promised)) test(name, run);
});

/** A generator of whole numbers below a limit. The same seed gives the same numbers. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** A stand-in for an opened session of this length in bytes. */
function opened(length: number): OpenedSession {
  const kept = { bytes: new Uint8Array(length), detached: () => kept };
  return kept;
}
