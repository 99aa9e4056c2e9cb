// Tests of the resilient store: errors, time limits, retries, lost answers, the circuit breaker, and requests during an outage.

import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { SessionTooLargeError, StoreError } from "../../src/errors.ts";
import { Events } from "../../src/events.ts";
import { resilient } from "../../src/resilience/resilient-store.ts";
import { createSessions } from "../../src/sessions.ts";
import type { SessionStore } from "../../src/store.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { Browser } from "../support/browser.ts";
import { stall } from "../support/farm.ts";
import { all, clock, type Data, key, MINUTE, named, setUp } from "../support/set-up.ts";
import { type Operation, SECRET, type WatchedStore, watched } from "../support/stores.ts";

const REFUSED = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
const write = () => ({ value: new Uint8Array([1]), expiresAt: Date.now() + 60_000 });

/** The resilient store, and the errors that its events report. */
function wrap(store: SessionStore, timeout = 2_000, uniqueValues = true) {
  const events = new Events();
  const errors: { operation: string; error: StoreError }[] = [];
  events.on("storeError", (event) => errors.push(event));
  return { store: resilient(store, { timeout, uniqueValues }, events), errors, events };
}

/** Makes the next calls of these operations fail, before or after they have happened. */
function failing(
  store: WatchedStore,
  times: number,
  operations: Operation[],
  when: "before" | "after" = "before",
): void {
  let left = times;
  store[when] = (operation) => {
    if (operations.includes(operation) && left-- > 0) throw REFUSED;
  };
}

const never = () => new Promise<never>(() => {});

/** Every call that the core makes. Each gets the key of a session in the store. */
const calls: [Operation, (store: SessionStore, key: string) => Promise<unknown>][] = [
  ["read", (store, key) => store.read(key)],
  ["create", (store) => store.create("new", write())],
  ["update", async (store, key) => store.update(key, write(), 1)],
  ["delete", (store, key) => store.delete(key)],
  ["touch", (store, key) => store.touch(key, Date.now() + 60_000)],
  ["claimExpired", (store) => store.claimExpired!(Date.now(), 10)],
  ["list", (store) => all(store.list!({}))],
];

async function isStoreError(work: Promise<unknown>, cause?: unknown): Promise<StoreError> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof StoreError, String(error));
    assert.equal(error.status, 503);
    assert.equal(error.code, "COATCHECK_STORE");
    if (cause !== undefined) assert.equal(error.cause, cause);
    return error;
  }
  assert.fail("the call did not fail");
}

describe("a resilient store", () => {
  test("passes on an error that is no StoreError, and does not count it as a failure", async () => {
    const inner = watched();
    const { store, errors } = wrap(inner);
    const tooLarge = new SessionTooLargeError(2, 1, "");
    inner.before = (operation) => {
      if (operation === "create") throw tooLarge;
    };
    for (let i = 0; i < 10; i++) {
      await assert.rejects(store.create("k", write()), (error) => error === tooLarge);
    }
    assert.equal(await store.read("k"), undefined);
    assert.deepEqual(errors, []);
  });

  test("answers as the store does, and has the same optional methods", async () => {
    const { store } = wrap(watched());
    const version = await store.create("k", { ...write(), owner: "o" });
    assert.equal(await store.create("k", write()), "exists");
    assert.equal((await store.read("k"))!.version, version);
    assert.equal(await store.update("k", write(), "other"), "conflict");
    assert.equal(await store.touch("missing", 1), false);
    assert.equal(await store.update("missing", write(), 1), "gone");
    assert.equal(await store.read("missing"), undefined);
    assert.equal(await store.delete("k", "other"), false);
    assert.equal(await store.delete("k"), true);
    assert.deepEqual(await all(store.list!({})), []);

    const { list: _, claimExpired: __, ...bare } = watched();
    const wrapped = wrap(bare).store;
    assert.deepEqual([wrapped.list, wrapped.claimExpired, wrapped.watch], [undefined, undefined, undefined]);
    assert.equal(wrap(memory()).store.inProcess, undefined);
  });

  for (const [operation, call] of calls) {
    test(`${operation}: a failure is a StoreError with its cause, reported with the operation's name`, async () => {
      const inner = watched();
      await inner.create("k", write());
      const { store, errors } = wrap(inner);
      inner.before = (which) => {
        if (which === operation) throw REFUSED;
      };
      const error = await isStoreError(call(store, "k"), REFUSED);
      assert.match(error.message, /connect ECONNREFUSED/);
      assert.ok(errors.length >= 1);
      // After a failed write the store is read.
      for (const event of errors) assert.ok([operation, "read"].includes(event.operation as Operation));
      assert.equal(errors[0]!.operation, operation);
      assert.ok(errors.some((event) => event.error.cause === error.cause));
    });

    test(`${operation}: a timeout is a StoreError that says so; a late answer changes nothing`, async () => {
      const inner = watched();
      await inner.create("k", write());
      const { store, errors } = wrap(inner, 30);
      let answer = () => {};
      const late = new Promise<void>((resolve) => {
        answer = resolve;
      });
      inner.before = () => late;
      const error = await isStoreError(call(store, "k"));
      assert.match(error.message, new RegExp(`did not ${operation} within 30 ms`));
      assert.ok(errors.length >= 1);
      answer();
      inner.before = undefined;
      await sleep(1);
      assert.equal(typeof (await store.read("k")), operation === "delete" ? "undefined" : "object");
    });
  }

  test("makes a StoreError of a synchronous throw, and of a thrown value that is no Error", async () => {
    for (const thrown of ["a text", undefined, null, 5, REFUSED]) {
      const { store } = wrap({
        ...watched(),
        read: () => {
          throw thrown;
        },
      });
      const error = await isStoreError(store.read("k"));
      assert.match(error.message, /failed to read/);
      assert.equal(error.cause, thrown === undefined ? undefined : thrown);
    }
  });

  test("passes on the store's own StoreError unchanged", async () => {
    const own = new StoreError("the store's own words");
    const inner = watched();
    inner.before = () => {
      throw own;
    };
    await assert.rejects(wrap(inner).store.read("k"), (error) => error === own);
  });

  test("does not time out a call that has been answered", async () => {
    const inner = watched();
    await inner.create("k", write());
    const { store, errors } = wrap(inner, 200);
    for (let i = 0; i < 30; i++) {
      await store.read("k");
      await sleep(10);
    }
    assert.deepEqual(errors, []);
  });

  test("limits each call separately, however they overlap", async () => {
    const inner = watched();
    await inner.create("k", write());
    const { store } = wrap(inner, 120);
    const slow = new Set(["slow 1", "slow 2"]);
    inner.before = (_, key) => (slow.has(key) ? never() : undefined);
    const outcomes: string[] = [];
    const ask = (key: string) =>
      store.touch(key, Date.now() + 60_000).then(
        () => void outcomes.push(`${key} answered`),
        () => void outcomes.push(`${key} timed out`),
      );
    const one = ask("slow 1");
    await ask("k");
    await sleep(40);
    const two = ask("slow 2");
    await ask("k");
    await Promise.all([one, two]);
    await ask("k");
    const timedOut = outcomes.filter((outcome) => outcome !== "k answered");
    assert.deepEqual(timedOut, ["slow 1 timed out", "slow 2 timed out"]);
    assert.equal(outcomes.length, 5);
  });

  test("limits a list entry by entry: a slow list is no failure, an entry that hangs is", async () => {
    const inner = watched();
    for (let i = 0; i < 8; i++) await inner.create(`k${i}`, write());
    const { store } = wrap(inner, 100);
    inner.before = (operation) => (operation === "list" ? sleep(15) : undefined);
    assert.equal((await all(store.list!({}))).length, 8);
    let entries = 0;
    inner.before = (operation) => (operation === "list" && ++entries === 3 ? never() : undefined);
    const seen: string[] = [];
    await isStoreError(
      (async () => {
        for await (const { key } of store.list!({})) seen.push(key);
      })(),
    );
    assert.equal(seen.length, 2);
  });

  test("lets the store clean up after a list that is not read to its end", async () => {
    let cleanedUp = false;
    const { store } = wrap({
      ...watched(),
      async *list() {
        try {
          for (;;) yield { key: "k", expiresAt: 1 };
        } finally {
          cleanedUp = true;
        }
      },
    });
    for await (const _ of store.list!({})) break;
    await sleep(1);
    assert.ok(cleanedUp);
  });
});

describe("retries", () => {
  test("read, touch and an unconditional delete are tried up to four times: running them twice does no harm", async () => {
    for (const [operation, call] of calls.filter(([operation]) => ["read", "touch", "delete"].includes(operation))) {
      const inner = watched();
      await inner.create("k", write());
      const { store, errors } = wrap(inner);
      failing(inner, 3, [operation]);
      inner.calls.length = 0;
      assert.ok(await call(store, "k"), operation);
      assert.deepEqual(inner.calls, Array(4).fill(operation));
      assert.equal(errors.length, 3);
    }
  });

  test("end after the fourth failure, with its error", async () => {
    const inner = watched();
    const { store, errors } = wrap(inner);
    failing(inner, 99, ["read"]);
    await isStoreError(store.read("k"), REFUSED);
    assert.deepEqual(inner.calls, ["read", "read", "read", "read"]);
    assert.equal(errors.length, 4);
  });

  test("sessions of a late claimExpired are given to the next one, once and within its limit", async (t) => {
    const tick = clock(t);
    const inner = watched();
    for (const key of ["a", "b", "c"]) await inner.create(key, write());
    const { store } = wrap(inner, 30);
    tick(2 * MINUTE);
    const claim = stall(inner, "claimExpired");
    await isStoreError(store.claimExpired!(Date.now(), 10));
    claim.pass();
    await sleep(1);
    failing(inner, 1, ["claimExpired"]);
    const given = [];
    for (const limit of [2, 2, 2]) given.push(await store.claimExpired!(Date.now(), limit));
    assert.deepEqual(given.map((sessions) => sessions.length), [2, 1, 0]); // biome-ignore format: one line
    assert.deepEqual(given.flat().map(({ key }) => key).sort(), ["a", "b", "c"]); // biome-ignore format: one line
  });

  test("claimExpired and list are not tried again", async () => {
    for (const [operation, call] of calls.filter(([operation]) => ["claimExpired", "list"].includes(operation))) {
      const inner = watched();
      await inner.create("k", write());
      const { store, errors } = wrap(inner);
      failing(inner, 1, [operation]);
      await isStoreError(call(store, "k"), REFUSED);
      assert.equal(errors.length, 1);
    }
  });

  test("a call that timed out is not tried again", async () => {
    const inner = watched();
    inner.before = never;
    const { store } = wrap(inner, 30);
    await isStoreError(store.read("k"));
    assert.deepEqual(inner.calls, ["read"]);
  });

  test("all attempts together have the time limit of one call", async () => {
    const inner = watched();
    const { store } = wrap(inner, 150);
    let left = 1;
    inner.before = () => {
      if (left-- > 0) throw REFUSED;
      return never();
    };
    const error = await isStoreError(store.read("k"));
    assert.match(error.message, /did not read within 150 ms/);
    assert.deepEqual(inner.calls, ["read", "read"]);
  });
});

describe("a write that the store refuses", () => {
  const refusal = () => new StoreError("read only", undefined, { applied: false, refusesWrites: true });

  /** A store that refuses its next writes. */
  async function refusing(times: number) {
    const inner = watched();
    const version = await inner.create("k", write());
    let left = times;
    inner.before = (operation) => {
      if (operation !== "read" && left-- > 0) throw refusal();
    };
    inner.calls.length = 0;
    return { inner, version: version as number, ...wrap(inner) };
  }

  test("is sent again without a read: it was certainly not applied", async () => {
    for (const operation of ["create", "update", "delete"] as const) {
      const { inner, store, version } = await refusing(2);
      if (operation === "create") assert.notEqual(await store.create("new", write()), "exists");
      else if (operation === "update") assert.equal(typeof (await store.update("k", write(), version)), "number");
      else assert.equal(await store.delete("k", version), true);
      assert.deepEqual(inner.calls, [operation, operation, operation]);
    }
  });

  test("fails without the words that it may have been applied", async () => {
    const { store, version } = await refusing(Infinity);
    const error = await isStoreError(store.update("k", write(), version));
    assert.equal(error.message, "read only");
    assert.equal(error.applied, false);
  });

  test("after a lost answer, stays one that may have been applied", async () => {
    const { inner, store, version } = await refusing(0);
    let attempt = 0;
    inner.before = (operation) => {
      if (operation === "update") throw attempt++ === 0 ? REFUSED : refusal();
    };
    const error = await isStoreError(store.update("k", write(), version));
    assert.match(error.message, /may still have been applied/);
    assert.equal(error.applied, undefined);
  });

  test("does not open the circuit breaker: reads go on", async () => {
    const { store, version } = await refusing(Infinity);
    const until = performance.now() + 300;
    for (let i = 0; i < 20 || performance.now() < until; i++) await isStoreError(store.update("k", write(), version));
    assert.ok(await store.read("k"));
  });

  test("is tried once, while the store has just refused others in every attempt", async () => {
    const { inner, store, version } = await refusing(Infinity);
    await isStoreError(store.update("k", write(), version));
    assert.equal(inner.calls.length, 4);
    await isStoreError(store.touch("k", Date.now()));
    assert.equal(inner.calls.length, 5);
  });

  test("does not fail a request that only reads, also where it is time to extend the session", async (t) => {
    const tick = clock(t);
    const { store, browser } = setUp();
    await browser.request(({ data }) => (data.n = 1)); // biome-ignore format: one line
    store.before = (operation) => {
      if (operation !== "read") throw refusal();
    };
    for (const minutes of [5, 7, 6]) {
      tick(minutes * MINUTE);
      await browser.request(({ data }) => assert.equal(data.n, 1));
    }
    await assert.rejects(browser.request(({ data }) => (data.n = 2)), refusal()); // biome-ignore format: one line
  });
});

describe("a write whose answer was lost", () => {
  const bytes = (text: string) => ({ value: Buffer.from(text), expiresAt: Date.now() + 60_000 });

  async function prepared(uniqueValues = true) {
    const inner = watched();
    const version = await inner.create("k", bytes("base"));
    if (version === "exists") throw new Error("it is a new store");
    inner.calls.length = 0;
    return { inner, version, ...wrap(inner, 2_000, uniqueValues) };
  }

  /** Loses the first answer of an operation, after `meanwhile` has run. */
  function loseFirst(inner: WatchedStore, operation: Operation, when: "before" | "after", meanwhile = async () => {}) {
    let isFirst = true;
    inner[when] = async (which) => {
      if (which !== operation || !isFirst) return;
      isFirst = false;
      await meanwhile();
      throw REFUSED;
    };
  }

  test("update: its own bytes are in the store, so it was applied", async () => {
    const { inner, store, version } = await prepared();
    loseFirst(inner, "update", "after");
    const given = await store.update("k", bytes("mine"), version);
    assert.deepEqual(inner.calls, ["update", "read"]);
    assert.equal(given, (await inner.read("k"))!.version);
    assert.notEqual(given, version);
  });

  test("update: the version has not changed, so it is sent again", async () => {
    const { inner, store, version } = await prepared();
    loseFirst(inner, "update", "before");
    const given = await store.update("k", bytes("mine"), version);
    assert.deepEqual(inner.calls, ["update", "read", "update"]);
    const found = (await inner.read("k"))!;
    assert.equal(Buffer.from(found.value).toString(), "mine");
    assert.equal(given, found.version);
  });

  test("update: the first attempt lands after the second was sent, and is recognized by its bytes", async () => {
    const { inner, store, version } = await prepared();
    let updates = 0;
    inner.before = async (operation, key) => {
      if (operation !== "update") return;
      if (++updates === 1) throw REFUSED;
      inner.before = undefined;
      await inner.update(key, bytes("mine"), version); // the first attempt
    };
    const given = await store.update("k", bytes("mine"), version);
    assert.equal(given, (await inner.read("k"))!.version);
  });

  test("update: the session is gone, perhaps regenerated with the change: the error says that it may have been applied", async () => {
    const { inner, store, version } = await prepared();
    loseFirst(inner, "update", "after", async () => void (await inner.delete("k")));
    const error = await isStoreError(store.update("k", bytes("mine"), version), REFUSED);
    assert.match(error.message, /the write may still have been applied/);
  });

  test("update: the first attempt lands, and the session is gone before the second: the error says that it may have been applied", async () => {
    const { inner, store, version } = await prepared();
    let updates = 0;
    inner.before = async (operation, key) => {
      if (operation !== "update") return;
      if (++updates === 1) throw REFUSED;
      inner.before = undefined;
      await inner.update(key, bytes("mine"), version); // the first attempt
      await inner.delete(key);
    };
    const error = await isStoreError(store.update("k", bytes("mine"), version), REFUSED);
    assert.match(error.message, /the write may still have been applied/);
  });

  test("update: another caller has written since: the error says that it may have been applied", async () => {
    for (const when of ["before", "after"] as const) {
      const { inner, store, version } = await prepared();
      loseFirst(inner, "update", when, async () => {
        const { version } = (await inner.read("k"))!;
        await inner.update("k", bytes("theirs"), version);
      });
      const error = await isStoreError(store.update("k", bytes("mine"), version), REFUSED);
      assert.match(error.message, /the write may still have been applied/);
      assert.equal(Buffer.from((await inner.read("k"))!.value).toString(), "theirs");
    }
  });

  test("update: equal bytes prove nothing where two writers may write the same bytes", async () => {
    const { inner, store, version } = await prepared(false);
    loseFirst(inner, "update", "after");
    await isStoreError(store.update("k", bytes("mine"), version), REFUSED);
    const other = await prepared(false);
    loseFirst(other.inner, "update", "before");
    assert.notEqual(await other.store.update("k", bytes("mine"), other.version), other.version);
  });

  test("update: the store is read past its cache", async () => {
    const { inner, version } = await prepared();
    const stale = (await inner.read("k"))!;
    const { store } = wrap({ ...inner, read: async () => stale, refresh: (key) => inner.read(key) });
    loseFirst(inner, "update", "after");
    const given = await store.update("k", bytes("mine"), version);
    assert.equal(given, (await inner.read("k"))!.version);
  });

  test("create: its own bytes are in the store, so it was applied", async () => {
    const { inner, store } = await prepared();
    loseFirst(inner, "create", "after");
    assert.equal(await store.create("new", bytes("mine")), (await inner.read("new"))!.version);
  });

  test("create: a missing session may still land, so it is not sent again under this key", async () => {
    const { inner, store } = await prepared();
    loseFirst(inner, "create", "before");
    await isStoreError(store.create("new", bytes("mine")), REFUSED);
    assert.deepEqual(inner.calls, ["create", "read"]);
    loseFirst(inner, "create", "before");
    assert.equal(await store.create("k", bytes("mine")), "exists");
  });

  test("delete of a version: it is sent again if the version is still there, and is false if another caller has written", async () => {
    const one = await prepared();
    loseFirst(one.inner, "delete", "before");
    assert.equal(await one.store.delete("k", one.version), true);
    const other = await prepared();
    loseFirst(other.inner, "delete", "before", async () => {
      await other.inner.update("k", bytes("theirs"), other.version);
    });
    assert.equal(await other.store.delete("k", other.version), false);
  });

  test("delete of a version: a missing session does not tell who deleted it, so it fails", async () => {
    const { inner, store, version } = await prepared();
    loseFirst(inner, "delete", "after");
    await isStoreError(store.delete("k", version), REFUSED);
    assert.deepEqual(inner.calls, ["delete", "read"]);
  });
});

describe("the circuit breaker", () => {
  const sweep = (store: SessionStore) => store.claimExpired!(Date.now(), 10);

  /** A store whose circuit breaker has just opened, and a clock that the test moves. */
  async function opened(t: TestContext) {
    const inner = watched();
    await inner.create("k", write());
    const { store, errors, events } = wrap(inner);
    const reported: string[] = [];
    events.on("storeDown", ({ error }) => reported.push(`down: ${error.cause === REFUSED}`));
    events.on("storeUp", ({ downFor }) => reported.push(`up after ${downFor}`));
    let now = 1_000_000;
    t.mock.method(performance, "now", () => now);
    inner.before = () => {
      throw REFUSED;
    };
    for (let i = 0; i < 4; i++) await isStoreError(sweep(store));
    now += 100;
    assert.deepEqual(reported, []);
    await isStoreError(sweep(store));
    inner.calls.length = 0;
    const pass = (milliseconds: number) => {
      now += milliseconds;
    };
    return { inner, store, errors, reported, pass };
  }

  test("opens after five failures in a row: the store is not asked, and every call fails immediately", async (t) => {
    const { inner, store, errors, reported } = await opened(t);
    for (const [operation, call] of calls) {
      const error = await isStoreError(call(store, "k"));
      assert.match(error.message, new RegExp(`cannot ${operation}: the store is down \\(circuit breaker open\\)`));
      assert.deepEqual(error.headers, { "Retry-After": "1" });
      // What is wrong is said each time: a wrong password and a missing table look different.
      assert.match(error.message, /Last failure: .*ECONNREFUSED/);
      assert.equal(error.cause, REFUSED);
    }
    assert.deepEqual(inner.calls, []);
    assert.equal(errors.length, 5); // a call that is not made is no failure
    assert.deepEqual(reported, ["down: true"]);
  });

  test("does not open while calls succeed in between", async () => {
    const inner = watched();
    const { store } = wrap(inner);
    const until = performance.now() + 150;
    for (let i = 0; i < 20 || performance.now() < until; i++) {
      inner.before = i % 5 === 4 ? undefined : () => { throw REFUSED; }; // biome-ignore format: one line
      await sweep(store).catch(() => {});
      if (i % 5 === 4) await sleep(10);
    }
    inner.before = undefined;
    assert.deepEqual(await sweep(store), []);
  });

  test("does not open when a connection breaks under many calls: all of them are tried again", async () => {
    const inner = watched();
    await inner.create("k", write());
    const { store } = wrap(inner);
    failing(inner, 50, ["read"]);
    const found = await Promise.all(Array.from({ length: 50 }, () => store.read("k")));
    assert.ok(found.every((session) => session !== undefined));
  });

  /**
   * Reads after five reads have hung, for this long by the clock. With `answered`, another read was answered a millisecond
   * before.
   */
  async function afterHanging(t: TestContext, milliseconds: number, { answered = false } = {}) {
    const inner = watched();
    const { store } = wrap(inner, 150);
    let now = 1_000_000;
    t.mock.method(performance, "now", () => now);
    inner.before = never;
    const hanging = Promise.allSettled(Array.from({ length: 5 }, () => store.read("k")));
    inner.before = undefined;
    now += milliseconds - 1;
    if (answered) await store.read("k");
    now += 1;
    await hanging;
    return store.read("k");
  }

  test("opens when calls time out together, since the store has been silent for the time limit", async (t) => {
    const error = await isStoreError(afterHanging(t, 150));
    assert.match(error.message, /cannot read: the store is down/);
  });

  test("does not open when calls time out while the store answers others", async (t) => {
    assert.equal(await afterHanging(t, 150, { answered: true }), undefined);
  });

  test("does not open when calls time out while the process is stalled", async (t) => {
    assert.equal(await afterHanging(t, 400), undefined);
  });

  test("lets one probe through after each pause; the pauses grow to a limit; a success closes it", async (t) => {
    t.mock.method(Math, "random", () => 0.9);
    const { inner, store, reported, pass } = await opened(t);
    for (const pause of [95, 190, 380, 570, 570]) {
      pass(pause - 1);
      await isStoreError(sweep(store));
      assert.deepEqual(inner.calls, []);
      pass(1);
      const tries = await Promise.allSettled(Array.from({ length: 10 }, () => sweep(store)));
      assert.ok(tries.every(({ status }) => status === "rejected"));
      assert.deepEqual(inner.calls.splice(0), ["claimExpired"]);
    }

    pass(570);
    let answer = () => {};
    inner.before = () =>
      new Promise<void>((resolve) => {
        answer = resolve;
      });
    const probe = sweep(store);
    await isStoreError(sweep(store), undefined); // while the probe is under way
    inner.before = undefined; // the store is back
    answer();
    assert.deepEqual(await probe, []);
    assert.deepEqual(reported, ["down: true", "up after 2375"]);

    for (let i = 0; i < 10; i++) assert.deepEqual(await sweep(store), []);
    failing(inner, 4, ["claimExpired"]); // four failures don't open it again
    for (let i = 0; i < 4; i++) await isStoreError(sweep(store), REFUSED);
    assert.ok(await store.read("k"));
  });

  test("lets the next probe through even if one hangs", async (t) => {
    const { inner, store, pass } = await opened(t);
    inner.before = never;
    pass(100);
    sweep(store).catch(() => {});
    inner.before = undefined;
    await isStoreError(sweep(store));
    pass(200);
    assert.deepEqual(await sweep(store), []);
  });
});

describe("requests while the store is down", () => {
  async function down(
    onStoreError: "fail" | "anonymous",
    operations: Operation[] = ["read", "create", "update", "delete", "touch"],
  ) {
    // biome-ignore format: one line
    const made = setUp({ onStoreError, storeTimeout: 500 });
    await made.browser.request((session) => Object.assign(session.data, { user: "u1", n: 1 }));
    made.store.calls.length = 0;
    failing(made.store, Infinity, operations);
    return made;
  }

  test('with "fail": open throws a StoreError, and never gives a new session', async () => {
    const { browser, store } = await down("fail");
    for (let i = 0; i < 10; i++) await isStoreError(browser.open());
    assert.equal(store.rows.size, 1);
    store.before = undefined;
  });

  test("without a cookie are served, as long as they write nothing", async () => {
    const { sessions, store } = await down("fail");
    const session = await sessions.open(undefined);
    assert.equal(session.get("a"), undefined);
    assert.deepEqual(session.commit(), []);
    assert.deepEqual(store.calls, []);
    const other = await sessions.open(undefined);
    other.set("a", 1);
    await isStoreError(Promise.resolve(other.commit()));
  });

  test('with "anonymous": the session is empty, refuses every change, and makes no more store calls', async () => {
    const { browser, events } = await down("anonymous");
    const reading = await browser.open();
    assert.equal(reading.get("user"), undefined);
    assert.deepEqual(reading.keys(), []);
    assert.deepEqual(reading.commit(), []);
    assert.ok(named(events, "storeError").length > 0);

    const changes: [string, (session: Awaited<ReturnType<typeof browser.open>>) => unknown][] = [
      ["set", (session) => session.set("a", 1)],
      ["update", (session) => session.update("n", () => 1)],
      ["flash", (session) => session.flash("a", 1)],
      ["owner", (session) => { session.owner = "u2"; }], // biome-ignore format: one line
      ["save", (session) => [session.set("a", 1), session.save()][1]],
      ["destroy", (session) => session.destroy()],
      ["regenerate", (session) => session.regenerate()],
      ["reload", (session) => session.reload()],
    ];
    for (const [name, change] of changes) {
      const { browser, store } = await down("anonymous");
      const session = await browser.open();
      store.before = undefined; // the store is back, but this request has not read its session
      store.calls.length = 0;
      await isStoreError(
        (async () => {
          await change(session);
          await session.commit();
        })(),
      );
      assert.deepEqual(store.calls, [], name);
      assert.deepEqual(await browser.contents(), { user: "u1", n: 1 });
    }
  });

  test('with "anonymous": an error of the application is not taken for an outage', async () => {
    const { browser } = await down("anonymous", []);
    const session = await browser.open();
    session.set("f", () => {});
    await assert.rejects(async () => session.commit(), { code: "COATCHECK_UNSTORABLE" });
  });

  test('with "anonymous": an error that is no StoreError is not taken for an outage', async () => {
    const store: SessionStore = { ...memory() };
    const read = store.read;
    const sessions = createSessions<Data>({ store, secret: SECRET, onStoreError: "anonymous" });
    const browser = new Browser<Data>(sessions);
    await browser.request((session) => session.set("a", 1));
    store.read = () => {
      throw new TypeError("a bug");
    };
    await assert.rejects(browser.open(), TypeError);
    store.read = read;
    assert.deepEqual(await browser.contents(), { a: 1 });
  });

  test("that fail to commit throw and write nothing: the next request finds the old state", async () => {
    const { browser, store } = await down("fail", ["update"]);
    const session = await browser.open();
    session.update("n", (n) => (n as number) + 1);
    await isStoreError(Promise.resolve(session.commit()), REFUSED);
    store.before = undefined;
    assert.deepEqual(await browser.contents(), { user: "u1", n: 1 });
  });

  test("in the middle of regenerate: the old ticket still works, and no second session is left", async () => {
    const { browser, store, sessions } = await down("fail", []);
    await browser.request((session) => {
      session.owner = "u1";
    });
    const old = key(browser);
    for (const operation of ["create", "delete"] as const) {
      store.before = (which, at) => {
        if (which === operation && (which === "create" || at === old)) throw REFUSED;
      };
      const session = await browser.open();
      session.update("n", (n) => (n as number) + 1);
      await isStoreError(session.regenerate());
      store.before = undefined;
      await waitUntil(() => store.rows.size === 1);
      assert.deepEqual([...store.rows.keys()], [old]);
      assert.deepEqual(await browser.contents(), { user: "u1", n: 1 });
      assert.equal((await all(sessions.list({ owner: "u1" }))).length, 1);
    }
  });

  test("that lose an answer in the middle of regenerate: it succeeds, and no second session is left", async () => {
    for (const operation of ["create", "delete"] as const) {
      for (const when of ["before", "after"] as const) {
        if (operation === "delete" && when === "after") continue; // a missing session does not tell who deleted it; see below
        const { browser, store } = await down("fail", []);
        failing(store, 1, [operation], when);
        await browser.request((session) => session.regenerate());
        await waitUntil(() => store.rows.size === 1);
        assert.deepEqual([...store.rows.keys()], [key(browser)]);
        assert.deepEqual(await browser.contents(), { user: "u1", n: 1 });
      }
    }
  });

  test("that lose the answer to regenerate's delete: it fails, the session has ended, and none is left", async () => {
    const { browser, store } = await down("fail", []);
    failing(store, 1, ["delete"], "after");
    const session = await browser.open();
    await isStoreError(session.regenerate(), REFUSED);
    store.after = undefined;
    await waitUntil(() => store.rows.size === 0);
    assert.equal((await browser.open()).isNew, true);
  });

  test("that time out, and whose write lands late: it is refused if another request has written", async () => {
    const made = setUp({ storeTimeout: 40 });
    const { browser, store } = made;
    await browser.request((session) => Object.assign(session.data, { a: 1, b: 1 }));
    let proceed = () => {};
    store.before = (operation) =>
      operation !== "update"
        ? undefined
        : new Promise<void>((resolve) => {
            proceed = resolve;
          });
    const session = await browser.open();
    Object.assign(session.data, { a: 2, b: 2 });
    await isStoreError(Promise.resolve(session.commit()));
    store.before = undefined;
    assert.deepEqual(await browser.contents(), { a: 1, b: 1 });
    const between = await browser.open();
    between.set("c", 1);
    await browser.end(between);
    proceed(); // and conflicts with the other request's write
    await sleep(1);
    assert.deepEqual(await browser.contents(), { a: 1, b: 1, c: 1 });
  });

  test("that time out, and whose create lands late: its ticket is never used", async () => {
    const { browser, store } = setUp({ storeTimeout: 40 });
    let proceed = () => {};
    store.before = (operation) =>
      operation !== "create"
        ? undefined
        : new Promise<void>((resolve) => {
            proceed = resolve;
          });
    const session = await browser.open();
    session.set("a", 1);
    await isStoreError(session.save());
    proceed();
    store.before = undefined;
    await waitUntil(() => store.rows.size === 1);
    const [stray] = store.rows.keys();
    session.set("a", 2);
    assert.equal((await browser.end(session)).length, 1); // the commit tries again under another ticket
    assert.notEqual(key(browser), stray);
    assert.deepEqual(await browser.contents(), { a: 2 });
  });

  test("of other sessions are not blocked by a commit that hangs", async () => {
    const { sessions, store, browser } = setUp({ storeTimeout: 300 });
    await browser.request((session) => session.set("n", 0));
    const hung = key(browser);
    store.before = (operation, key) => (operation === "update" && key === hung ? never() : undefined);
    const hanging = browser.request((session) => session.set("n", 1));
    const other = new Browser<Data>(sessions);
    await other.request((session) => session.set("n", 1));
    await other.request((session) => session.set("n", 2));
    assert.deepEqual(await other.contents(), { n: 2 });
    await isStoreError(hanging);
    store.before = undefined;
    await browser.request((session) => session.set("n", 3)); // requests that queue behind it go on, too
    assert.deepEqual(await browser.contents(), { n: 3 });
  });
});

/** Waits until the condition holds. The limit is far longer than that takes. */
async function waitUntil(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 10_000; !(await condition()); await sleep(10)) {
    assert.ok(Date.now() < deadline, "the condition does not hold after 10 seconds");
  }
}
