import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { SessionTooLargeError, StoreError } from "../src/errors.ts";
import { Events } from "../src/events.ts";
import { guarded } from "../src/guard.ts";
import { createSessions } from "../src/sessions.ts";
import type { SessionStore } from "../src/store.ts";
import { memory } from "../src/stores/memory.ts";
import { Browser } from "./support/browser.ts";
import { stall } from "./support/farm.ts";
import { all, clock, type Data, key, MINUTE, named, setUp } from "./support/set-up.ts";
import { type Operation, SECRET, type WatchedStore, watched } from "./support/stores.ts";

const REFUSED = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
const write = () => ({ value: new Uint8Array([1]), expiresAt: Date.now() + 60_000 });

/** A guarded store and what its events said. */
function guard(store: SessionStore, timeout = 2_000, uniqueValues = true) {
  const events = new Events();
  const errors: { operation: string; error: StoreError }[] = [];
  events.on("storeError", (event) => errors.push(event));
  return { store: guarded(store, { timeout, uniqueValues }, events), errors, events };
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

/** Every call that the core makes. Each is given a key that is there. */
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
  assert.fail("it did not fail");
}

describe("a guarded store", () => {
  test("that refuses what it is given is well: the refusal passes, and no breaker opens", async () => {
    const inner = watched();
    const { store, errors } = guard(inner);
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

  test("answers as the store does, and has its abilities, no more", async () => {
    const { store } = guard(watched());
    const version = await store.create("k", { ...write(), owner: "o" });
    assert.equal(await store.create("k", write()), "exists");
    assert.equal((await store.read("k"))!.version, version);
    assert.equal(await store.update("k", write(), "other"), "conflict");
    assert.equal(await store.touch("nobody", 1), false);
    assert.equal(await store.update("nobody", write(), 1), "gone");
    assert.equal(await store.read("nobody"), undefined);
    assert.equal(await store.delete("k", "other"), false);
    assert.equal(await store.delete("k"), true);
    assert.deepEqual(await all(store.list!({})), []);

    const { list: _, claimExpired: __, ...bare } = watched();
    const guardedBare = guard(bare).store;
    assert.deepEqual(
      [guardedBare.list, guardedBare.claimExpired, guardedBare.watch],
      [undefined, undefined, undefined],
    );
    assert.equal(guard(memory()).store.inProcess, undefined);
  });

  for (const [operation, call] of calls) {
    test(`${operation}: a failure is a StoreError with its cause, reported with the operation's name`, async () => {
      const inner = watched();
      await inner.create("k", write());
      const { store, errors } = guard(inner);
      inner.before = (which) => {
        if (which === operation) throw REFUSED;
      };
      const error = await isStoreError(call(store, "k"), REFUSED);
      assert.match(error.message, /connect ECONNREFUSED/);
      assert.ok(errors.length >= 1);
      // A write that failed is looked for.
      for (const event of errors) assert.ok([operation, "read"].includes(event.operation as Operation));
      assert.equal(errors[0]!.operation, operation);
      assert.ok(errors.some((event) => event.error.cause === error.cause));
    });

    test(`${operation}: no answer in time is a StoreError that says so; a late answer changes nothing`, async () => {
      const inner = watched();
      await inner.create("k", write());
      const { store, errors } = guard(inner, 30);
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

  test("a store that throws at once, or throws what is no Error, is a StoreError too", async () => {
    for (const thrown of ["a text", undefined, null, 5, REFUSED]) {
      const { store } = guard({
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

  test("a StoreError of the store's own stays what it is", async () => {
    const own = new StoreError("the store's own words");
    const inner = watched();
    inner.before = () => {
      throw own;
    };
    await assert.rejects(guard(inner).store.read("k"), (error) => error === own);
  });

  test("has no time limit for a call that is answered", async () => {
    const inner = watched();
    await inner.create("k", write());
    const { store, errors } = guard(inner, 200);
    for (let i = 0; i < 30; i++) {
      await store.read("k");
      await sleep(10);
    }
    assert.deepEqual(errors, []);
  });

  test("limits each call by itself, however they overlap", async () => {
    const inner = watched();
    await inner.create("k", write());
    const { store } = guard(inner, 120);
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

  test("listing is limited entry by entry: what takes its time as a whole is no failure, what hangs is", async () => {
    const inner = watched();
    for (let i = 0; i < 8; i++) await inner.create(`k${i}`, write());
    const { store } = guard(inner, 100);
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

  test("listing that is broken off lets the store clean up", async () => {
    let cleanedUp = false;
    const { store } = guard({
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
  test("read, touch and an unconditional delete are tried up to four times: doing them twice does no harm", async () => {
    for (const [operation, call] of calls.filter(([operation]) => ["read", "touch", "delete"].includes(operation))) {
      const inner = watched();
      await inner.create("k", write());
      const { store, errors } = guard(inner);
      failing(inner, 3, [operation]);
      inner.calls.length = 0;
      assert.ok(await call(store, "k"), operation);
      assert.deepEqual(inner.calls, Array(4).fill(operation));
      assert.equal(errors.length, 3);
    }
  });

  test("end after the fourth failure, with its error", async () => {
    const inner = watched();
    const { store, errors } = guard(inner);
    failing(inner, 99, ["read"]);
    await isStoreError(store.read("k"), REFUSED);
    assert.deepEqual(inner.calls, ["read", "read", "read", "read"]);
    assert.equal(errors.length, 4);
  });

  test("what a sweep has removed too late is given to the next one, once and within its limit", async (t) => {
    const tick = clock(t);
    const inner = watched();
    for (const key of ["a", "b", "c"]) await inner.create(key, write());
    const { store } = guard(inner, 30);
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

  test("what takes from others, or gives a part, is not tried again", async () => {
    for (const [operation, call] of calls.filter(([operation]) => ["claimExpired", "list"].includes(operation))) {
      const inner = watched();
      await inner.create("k", write());
      const { store, errors } = guard(inner);
      failing(inner, 1, [operation]);
      await isStoreError(call(store, "k"), REFUSED);
      assert.equal(errors.length, 1);
    }
  });

  test("a call that ran out of time is not begun again", async () => {
    const inner = watched();
    inner.before = never;
    const { store } = guard(inner, 30);
    await isStoreError(store.read("k"));
    assert.deepEqual(inner.calls, ["read"]);
  });

  test("all attempts together have the time of one call", async () => {
    const inner = watched();
    const { store } = guard(inner, 150);
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

describe("a write whose answer was lost", () => {
  const bytes = (text: string) => ({ value: Buffer.from(text), expiresAt: Date.now() + 60_000 });

  async function prepared(uniqueValues = true) {
    const inner = watched();
    const version = await inner.create("k", bytes("base"));
    if (version === "exists") throw new Error("it is a new store");
    inner.calls.length = 0;
    return { inner, version, ...guard(inner, 2_000, uniqueValues) };
  }

  /** Loses the first answer of an operation, after this was done to the store. */
  function loseFirst(inner: WatchedStore, operation: Operation, when: "before" | "after", meanwhile = async () => {}) {
    let isFirst = true;
    inner[when] = async (which) => {
      if (which !== operation || !isFirst) return;
      isFirst = false;
      await meanwhile();
      throw REFUSED;
    };
  }

  test("update: our own bytes are there, so it was done", async () => {
    const { inner, store, version } = await prepared();
    loseFirst(inner, "update", "after");
    const given = await store.update("k", bytes("mine"), version);
    assert.deepEqual(inner.calls, ["update", "read"]);
    assert.equal(given, (await inner.read("k"))!.version);
    assert.notEqual(given, version);
  });

  test("update: nothing has changed, so it is done again", async () => {
    const { inner, store, version } = await prepared();
    loseFirst(inner, "update", "before");
    const given = await store.update("k", bytes("mine"), version);
    assert.deepEqual(inner.calls, ["update", "read", "update"]);
    const found = (await inner.read("k"))!;
    assert.equal(Buffer.from(found.value).toString(), "mine");
    assert.equal(given, found.version);
  });

  test("update: the first try arrives after the second was begun, and is found to be ours", async () => {
    const { inner, store, version } = await prepared();
    let updates = 0;
    inner.before = async (operation, key) => {
      if (operation !== "update") return;
      if (++updates === 1) throw REFUSED;
      inner.before = undefined;
      await inner.update(key, bytes("mine"), version); // the first
    };
    const given = await store.update("k", bytes("mine"), version);
    assert.equal(given, (await inner.read("k"))!.version);
  });

  test("update: the session is gone, perhaps moved with our change in it: it is an error that says so", async () => {
    const { inner, store, version } = await prepared();
    loseFirst(inner, "update", "after", async () => void (await inner.delete("k")));
    const error = await isStoreError(store.update("k", bytes("mine"), version), REFUSED);
    assert.match(error.message, /it may have been done all the same/);
  });

  test("update: the first try arrives after all, and is moved along before the second arrives", async () => {
    const { inner, store, version } = await prepared();
    let updates = 0;
    inner.before = async (operation, key) => {
      if (operation !== "update") return;
      if (++updates === 1) throw REFUSED;
      inner.before = undefined;
      await inner.update(key, bytes("mine"), version); // the first
      await inner.delete(key);
    };
    const error = await isStoreError(store.update("k", bytes("mine"), version), REFUSED);
    assert.match(error.message, /it may have been done all the same/);
  });

  test("update: somebody has written since, over ours or instead: it is an error that says so", async () => {
    for (const when of ["before", "after"] as const) {
      const { inner, store, version } = await prepared();
      loseFirst(inner, "update", when, async () => {
        const { version } = (await inner.read("k"))!;
        await inner.update("k", bytes("theirs"), version);
      });
      const error = await isStoreError(store.update("k", bytes("mine"), version), REFUSED);
      assert.match(error.message, /it may have been done all the same/);
      assert.equal(Buffer.from((await inner.read("k"))!.value).toString(), "theirs");
    }
  });

  test("update: where two writers may write the same bytes, ours are no proof", async () => {
    const { inner, store, version } = await prepared(false);
    loseFirst(inner, "update", "after");
    await isStoreError(store.update("k", bytes("mine"), version), REFUSED);
    const other = await prepared(false);
    loseFirst(other.inner, "update", "before");
    assert.notEqual(await other.store.update("k", bytes("mine"), other.version), other.version);
  });

  test("update: past a copy that is kept nearby", async () => {
    const { inner, version } = await prepared();
    const stale = (await inner.read("k"))!;
    const { store } = guard({ ...inner, read: async () => stale, refresh: (key) => inner.read(key) });
    loseFirst(inner, "update", "after");
    const given = await store.update("k", bytes("mine"), version);
    assert.equal(given, (await inner.read("k"))!.version);
  });

  test("create: our own bytes are there, so it was done", async () => {
    const { inner, store } = await prepared();
    loseFirst(inner, "create", "after");
    assert.equal(await store.create("new", bytes("mine")), (await inner.read("new"))!.version);
  });

  test("create: what is not there may still come, so that key is not used again", async () => {
    const { inner, store } = await prepared();
    loseFirst(inner, "create", "before");
    await isStoreError(store.create("new", bytes("mine")), REFUSED);
    assert.deepEqual(inner.calls, ["create", "read"]);
    loseFirst(inner, "create", "before");
    assert.equal(await store.create("k", bytes("mine")), "exists");
  });

  test("delete of a version: it is there still, so it is done again; it was changed, so it never will be", async () => {
    const one = await prepared();
    loseFirst(one.inner, "delete", "before");
    assert.equal(await one.store.delete("k", one.version), true);
    const other = await prepared();
    loseFirst(other.inner, "delete", "before", async () => {
      await other.inner.update("k", bytes("theirs"), other.version);
    });
    assert.equal(await other.store.delete("k", other.version), false);
  });

  test("delete of a version: it is not there, and nobody knows who removed it", async () => {
    const { inner, store, version } = await prepared();
    loseFirst(inner, "delete", "after");
    await isStoreError(store.delete("k", version), REFUSED);
    assert.deepEqual(inner.calls, ["delete", "read"]);
  });
});

describe("the circuit breaker", () => {
  const sweep = (store: SessionStore) => store.claimExpired!(Date.now(), 10);

  /** A store that has failed for long enough, and a clock that the test moves. */
  async function opened(t: TestContext) {
    const inner = watched();
    await inner.create("k", write());
    const { store, errors, events } = guard(inner);
    const told: string[] = [];
    events.on("storeDown", ({ error }) => told.push(`down: ${error.cause === REFUSED}`));
    events.on("storeUp", ({ downFor }) => told.push(`up after ${downFor}`));
    let now = 1_000_000;
    t.mock.method(performance, "now", () => now);
    inner.before = () => {
      throw REFUSED;
    };
    for (let i = 0; i < 4; i++) await isStoreError(sweep(store));
    now += 100;
    assert.deepEqual(told, []);
    await isStoreError(sweep(store));
    inner.calls.length = 0;
    const pass = (milliseconds: number) => {
      now += milliseconds;
    };
    return { inner, store, errors, told, pass };
  }

  test("opens after five failures in a row: then nothing asks the store, and everything fails at once", async (t) => {
    const { inner, store, errors, told } = await opened(t);
    for (const [operation, call] of calls) {
      const error = await isStoreError(call(store, "k"));
      assert.match(error.message, new RegExp(`down; not asked to ${operation}$`));
      assert.deepEqual(error.headers, { "Retry-After": "1" });
    }
    assert.deepEqual(inner.calls, []);
    assert.equal(errors.length, 5); // what was not asked did not fail
    assert.deepEqual(told, ["down: true"]);
  });

  test("does not open while calls succeed in between", async () => {
    const inner = watched();
    const { store } = guard(inner);
    const until = performance.now() + 150;
    for (let i = 0; i < 20 || performance.now() < until; i++) {
      inner.before = i % 5 === 4 ? undefined : () => { throw REFUSED; }; // biome-ignore format: one line
      await sweep(store).catch(() => {});
      if (i % 5 === 4) await sleep(10);
    }
    inner.before = undefined;
    assert.deepEqual(await sweep(store), []);
  });

  test("a connection that breaks under many calls opens nothing: all of them are tried again", async () => {
    const inner = watched();
    await inner.create("k", write());
    const { store } = guard(inner);
    failing(inner, 50, ["read"]);
    const found = await Promise.all(Array.from({ length: 50 }, () => store.read("k")));
    assert.ok(found.every((session) => session !== undefined));
  });

  /**
   * What becomes of a read after five have hung, by a clock that says they waited for so long. With `answered`, another was
   * answered a millisecond before.
   */
  async function afterHanging(t: TestContext, milliseconds: number, { answered = false } = {}) {
    const inner = watched();
    const { store } = guard(inner, 150);
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

  test("calls that all ran out of time at one moment open it: the store has been silent for as long", async (t) => {
    const error = await isStoreError(afterHanging(t, 150));
    assert.match(error.message, /down; not asked to read$/);
  });

  test("calls that ran out of time while the store answered others open nothing", async (t) => {
    assert.equal(await afterHanging(t, 150, { answered: true }), undefined);
  });

  test("calls that ran out of time while the process stood still open nothing", async (t) => {
    assert.equal(await afterHanging(t, 400), undefined);
  });

  test("lets one call try after each pause; the pauses grow, but not for long; a success closes it", async (t) => {
    t.mock.method(Math, "random", () => 0.9);
    const { inner, store, told, pass } = await opened(t);
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
    await isStoreError(sweep(store), undefined); // while it is tried
    inner.before = undefined; // the store is back
    answer();
    assert.deepEqual(await probe, []);
    assert.deepEqual(told, ["down: true", "up after 2375"]);

    for (let i = 0; i < 10; i++) assert.deepEqual(await sweep(store), []);
    failing(inner, 4, ["claimExpired"]); // four failures don't open it again
    for (let i = 0; i < 4; i++) await isStoreError(sweep(store), REFUSED);
    assert.ok(await store.read("k"));
  });

  test("a probe that hangs does not keep the next one from its turn", async (t) => {
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

  test('"fail": open throws a StoreError, never a new session', async () => {
    const { browser, store } = await down("fail");
    for (let i = 0; i < 10; i++) await isStoreError(browser.open());
    assert.equal(store.rows.size, 1);
    store.before = undefined;
  });

  test("a visitor without a cookie is served all the same, as long as nothing is written", async () => {
    const { sessions, store } = await down("fail");
    const session = await sessions.open(undefined);
    assert.equal(session.get("a"), undefined);
    assert.deepEqual(session.commit(), []);
    assert.deepEqual(store.calls, []);
    const other = await sessions.open(undefined);
    other.set("a", 1);
    await isStoreError(Promise.resolve(other.commit()));
  });

  test('"anonymous": an empty session that refuses to be changed, destroyed or moved, and asks the store for nothing more', async () => {
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
      store.before = undefined; // the store is back: too late for this request, which knows nothing of its session
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

  test('"anonymous" is for outages only: an error of the application is none', async () => {
    const { browser } = await down("anonymous", []);
    const session = await browser.open();
    session.set("f", () => {});
    await assert.rejects(async () => session.commit(), { code: "COATCHECK_UNSTORABLE" });
  });

  test("an error that is none of the store's is never taken for an outage", async () => {
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

  test("a commit that fails says so: no cookie, nothing half written, and the next request finds what was there", async () => {
    const { browser, store } = await down("fail", ["update"]);
    const session = await browser.open();
    session.update("n", (n) => (n as number) + 1);
    await isStoreError(Promise.resolve(session.commit()), REFUSED);
    store.before = undefined;
    assert.deepEqual(await browser.contents(), { user: "u1", n: 1 });
  });

  test("in the middle of regenerate: the old ticket still works, and no second session stays behind", async () => {
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

  test("an answer that is lost in the middle of regenerate: it goes on, and no second session stays behind", async () => {
    for (const operation of ["create", "delete"] as const) {
      for (const when of ["before", "after"] as const) {
        if (operation === "delete" && when === "after") continue; // nobody knows who did it; see below
        const { browser, store } = await down("fail", []);
        failing(store, 1, [operation], when);
        await browser.request((session) => session.regenerate());
        await waitUntil(() => store.rows.size === 1);
        assert.deepEqual([...store.rows.keys()], [key(browser)]);
        assert.deepEqual(await browser.contents(), { user: "u1", n: 1 });
      }
    }
  });

  test("in the middle of regenerate, after the old ticket died: the session ended, and nobody else's ticket opens it", async () => {
    const { browser, store } = await down("fail", []);
    failing(store, 1, ["delete"], "after");
    const session = await browser.open();
    await isStoreError(session.regenerate(), REFUSED);
    store.after = undefined;
    await waitUntil(() => store.rows.size === 0);
    assert.equal((await browser.open()).isNew, true);
  });

  test("a write that the store does after its time: the request failed, and the next one sees a whole session", async () => {
    const made = setUp({ storeTimeout: 40 });
    const { browser, store } = made;
    await browser.request((session) => Object.assign(session.data, { a: 1, b: 1 }));
    let goOn = () => {};
    store.before = (operation) =>
      operation !== "update"
        ? undefined
        : new Promise<void>((resolve) => {
            goOn = resolve;
          });
    const session = await browser.open();
    Object.assign(session.data, { a: 2, b: 2 });
    await isStoreError(Promise.resolve(session.commit()));
    store.before = undefined;
    assert.deepEqual(await browser.contents(), { a: 1, b: 1 });
    const between = await browser.open();
    between.set("c", 1);
    await browser.end(between);
    goOn(); // and finds that somebody else wrote
    await sleep(1);
    assert.deepEqual(await browser.contents(), { a: 1, b: 1, c: 1 });
  });

  test("a session that is begun after its time is nobody's: the browser never got its ticket", async () => {
    const { browser, store } = setUp({ storeTimeout: 40 });
    let goOn = () => {};
    store.before = (operation) =>
      operation !== "create"
        ? undefined
        : new Promise<void>((resolve) => {
            goOn = resolve;
          });
    const session = await browser.open();
    session.set("a", 1);
    await isStoreError(session.save());
    goOn();
    store.before = undefined;
    await waitUntil(() => store.rows.size === 1);
    const [stray] = store.rows.keys();
    session.set("a", 2);
    assert.equal((await browser.end(session)).length, 1); // the commit tries again, under a ticket of its own
    assert.notEqual(key(browser), stray);
    assert.deepEqual(await browser.contents(), { a: 2 });
  });

  test("requests of other sessions go on where one session's commit hangs", async () => {
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
    await browser.request((session) => session.set("n", 3)); // those that queue behind it go on too
    assert.deepEqual(await browser.contents(), { n: 3 });
  });
});

/** Waits for what happens soon, without saying how soon. */
async function waitUntil(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 10_000; !(await isSo()); await sleep(10)) {
    assert.ok(Date.now() < deadline, "it did not happen");
  }
}
