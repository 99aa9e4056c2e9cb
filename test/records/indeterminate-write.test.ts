// Tests of writes of unknown outcome: they are resolved, and no change is applied twice.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { inspect } from "node:util";
import { type SessionsOptions, StoreError } from "../../src/index.ts";
import { Browser } from "../support/browser.ts";
import { LEASE } from "../support/farm.ts";
import { type Data, key, named, setUp } from "../support/set-up.ts";
import type { Operation, WatchedStore } from "../support/stores.ts";

const REFUSED = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });

/** Breaks the connection before or after the store applies an update. No call is answered until `repair`. */
function breakConnection(store: WatchedStore, when: "before" | "after"): { repair(): void } {
  let isDown = false;
  store[when] = (operation) => {
    if (operation !== "update") return;
    isDown = true;
    throw REFUSED;
  };
  const other = when === "before" ? "after" : "before";
  store[other] = (operation: Operation) => {
    if (isDown && (operation !== "update" || when === "after")) throw REFUSED;
  };
  return {
    repair() {
      store.before = undefined;
      store.after = undefined;
    },
  };
}

const increment = (n: unknown) => ((n as number | undefined) ?? 0) + 1;

async function setUpCounters(options: SessionsOptions<Data> = {}) {
  const made = setUp({ storeTimeout: 300, ...options });
  await made.browser.request((session) => Object.assign(session.data, { n: 0, list: [], seen: ["a"], other: 0 }));
  return made;
}

/** A request with a pending write: its save was applied or not, and the answer was lost. The store answers again. */
async function withPendingSave(
  when: "before" | "after",
  change: (session: Awaited<ReturnType<Browser<Data>["open"]>>) => void,
  options: SessionsOptions<Data> = {},
  mode: "merge" | "exclusive" = "merge",
) {
  const made = await setUpCounters(options);
  const session = await made.browser.open(mode);
  change(session);
  const fault = breakConnection(made.store, when);
  await assert.rejects(session.save(), (error: Error) => {
    assert.ok(error instanceof StoreError);
    assert.match(error.message, /the write may still have been applied/);
    assert.equal(error.name, "StoreError");
    return true;
  });
  fault.repair();
  return { ...made, session, elsewhere: atAnotherServer(made) };
}

/** An exclusive request with a pending renewal of its lease. The store answers again. */
async function withPendingRenewal() {
  const made = await setUpCounters({ exclusive: { lease: LEASE } });
  const session = await made.browser.open("exclusive");
  const fault = breakConnection(made.store, "after");
  await waitUntil(() => named(made.events, "storeError").length > 3);
  fault.repair();
  return { ...made, session };
}

/** The same browser at another server, which has seen no failure and has its own commit queue. */
function atAnotherServer({ store, browser }: Awaited<ReturnType<typeof setUpCounters>>): Browser<Data> {
  const elsewhere = new Browser<Data>(setUp({}, store).sessions);
  elsewhere.cookie = browser.cookie;
  return elsewhere;
}

for (const when of ["after", "before"] as const) {
  const outcome = when === "after" ? "was applied" : "was not applied";

  describe(`a save that ${outcome}, and whose answer was lost`, () => {
    for (const mode of ["merge", "exclusive"] as const) {
      test(`then commit (${mode}): the change is applied once`, async () => {
        const { browser, session } = await withPendingSave(when, (session) => session.update("n", increment), {}, mode);
        await browser.end(session);
        assert.equal((await browser.contents()).n, 1);
      });

      test(`then more changes and another save (${mode}): each change is applied once`, async () => {
        const { browser, session } = await withPendingSave(when, (session) => session.update("n", increment), {}, mode);
        session.update("n", increment);
        session.update("other", increment);
        assert.equal(await session.save(), true);
        session.update("n", increment);
        await browser.end(session);
        const { n, other } = await browser.contents();
        assert.deepEqual([n, other], [3, 1]);
      });
    }

    test("then commit, with resolvers: each change is applied once", async () => {
      const merge: object = { n: "counter", list: "append", seen: "union" };
      const { browser, session } = await withPendingSave(
        when,
        (session) => {
          (session.data.n as number) += 1;
          (session.data.list as string[]).push("x");
          (session.data.seen as string[]).push("b");
        },
        { merge },
      );
      await browser.end(session);
      const { n, list, seen } = await browser.contents();
      assert.deepEqual([n, list, seen], [1, ["x"], ["a", "b"]]);
    });

    test("then regenerate: the change is applied once, and moves to the new ticket", async () => {
      const { browser, session } = await withPendingSave(when, (session) => session.update("n", increment));
      assert.equal(await session.regenerate(), true);
      session.update("n", increment);
      await browser.end(session);
      assert.equal((await browser.contents()).n, 2);
    });

    test("then another request's write, and regenerate: later changes are applied", async () => {
      const { browser, session, elsewhere } = await withPendingSave(when, (session) => session.set("n", 5));
      await elsewhere.request((session) => session.update("other", increment));
      assert.equal(await session.regenerate(), true);
      session.update("n", increment);
      await browser.end(session);
      const { n, other } = await browser.contents();
      assert.deepEqual([n, other], [6, 1]);
    });

    test("then destroy, and a new session: the change does not come back", async () => {
      const { browser, session } = await withPendingSave(when, (session) => session.update("n", increment));
      await session.destroy();
      session.update("n", increment);
      await browser.end(session);
      assert.deepEqual(await browser.contents(), { n: 1 });
    });

    test("then the change is reverted: the commit writes the reverted value", async () => {
      const { browser, session } = await withPendingSave(when, (session) => session.set("n", 7));
      session.set("n", 0);
      await browser.end(session);
      assert.equal((await browser.contents()).n, 0);
    });

    test("then discard: the commit writes nothing", async () => {
      const { browser, session, store } = await withPendingSave(when, (session) => session.update("n", increment));
      session.discard();
      store.calls.length = 0;
      await browser.end(session);
      assert.deepEqual(store.calls, []);
    });

    for (const mode of ["merge", "exclusive"] as const) {
      test(`then discard (${mode}): the commit does not apply the change`, async () => {
        const { browser, session } = await withPendingSave(when, (session) => session.update("n", increment), {}, mode);
        session.discard();
        await browser.end(session);
        assert.equal((await browser.contents()).n, when === "after" ? 1 : 0);
      });

      test(`then reload (${mode}): the read value is final, and later changes are applied`, async () => {
        const { browser, session } = await withPendingSave(when, (session) => session.update("n", increment), {}, mode);
        assert.equal(await session.reload(), true);
        const shown = session.data.n as number;
        assert.equal(shown, when === "after" ? 1 : 0);
        session.update("n", increment);
        await browser.end(session);
        assert.equal((await browser.contents()).n, shown + 1);
      });

      test(`then destroy, while updates fail (${mode}): the session ends`, async () => {
        const { browser, session, store } = await withPendingSave(
          when,
          (session) => session.update("n", increment),
          {},
          mode,
        );
        store.before = (operation) => {
          if (operation === "update") throw REFUSED;
        };
        await session.destroy();
        assert.equal(store.rows.has(key(browser)), false);
      });

      test(`then a revoke (${mode}): regenerate says that the change may have been applied`, async () => {
        const { session, store, events } = await withPendingSave(when, (session) => session.set("n", 5), {}, mode);
        await setUp({}, store).sessions.revoke(session.id);
        await assert.rejects(session.regenerate(), /may have been applied.*has ended since/);
        assert.equal(named(events, "gone").length, 1);
        assert.deepEqual(named(events, "leaseLost"), []);
      });
    }

    test("then another request's write: the commit fails if an update function could be applied twice", async () => {
      const { browser, session, elsewhere } = await withPendingSave(when, (session) => session.update("n", increment));
      await elsewhere.request((session) => session.update("other", increment));
      session.set("more", true);
      await assert.rejects(Promise.resolve(session.commit()), (error: Error) => {
        assert.ok(error instanceof StoreError);
        assert.match(error.message, /may have been applied.*"n" could be applied twice/);
        return true;
      });
      const { n, other, more } = await browser.contents();
      assert.deepEqual([n, other, more], [when === "after" ? 1 : 0, 1, undefined]);
    });

    test("then another request's write: the commit applies changes that are repeatable or were not sent before", async () => {
      const { browser, session, elsewhere } = await withPendingSave(
        when,
        (session) => {
          session.set("n", 5);
          (session.data.seen as string[]).push("b");
          session.delete("list");
        },
        { merge: { seen: "union" } as object },
      );
      await elsewhere.request((session) => session.set("other", 9));
      session.update("fresh", increment);
      await browser.end(session);
      assert.deepEqual(await browser.contents(), { n: 5, seen: ["a", "b"], other: 9, fresh: 1 });
    });

    test("then another request's destroy: the commit says that the change may have been applied", async () => {
      const { browser, session, store, events, elsewhere } = await withPendingSave(when, (session) =>
        session.set("n", 5),
      );
      await elsewhere.request((session) => session.destroy());
      await assert.rejects(Promise.resolve(session.commit()), /may have been applied/);
      assert.equal(store.rows.has(key(browser)), false);
      assert.equal(named(events, "gone").length, 1);
    });

    test("then commit, where two writers may write the same bytes: an increment is never applied twice", async () => {
      const options = { encryption: "off" } as const;
      const { browser, session } = await withPendingSave(when, (session) => session.update("n", increment), options);
      if (when === "before") await browser.end(session);
      else await assert.rejects(Promise.resolve(session.commit()), StoreError);
      assert.equal((await browser.contents()).n, 1);
    });
  });
}

test("an exclusive request with a pending write releases the session when it commits", async () => {
  const { session, elsewhere, browser } = await withPendingSave(
    "after",
    (session) => session.update("n", increment),
    {},
    "exclusive",
  );
  await browser.end(session);
  await elsewhere.request((session) => session.update("n", increment), "exclusive");
  assert.equal((await browser.contents()).n, 2);
});

test("an exclusive request keeps its lease when it is renewed after a save of unknown outcome", async () => {
  const { browser, session, store, events } = await withPendingSave(
    "after",
    (session) => session.update("n", increment),
    { exclusive: { lease: LEASE } },
    "exclusive",
  );
  store.calls.length = 0;
  // The pending write is sent again, and then the renewal.
  await waitUntil(() => store.calls.filter((call) => call === "update").length >= 2);
  session.update("n", increment);
  await browser.end(session);
  assert.equal((await browser.contents()).n, 2);
  assert.deepEqual(named(events, "leaseLost"), []);
});

test("an exclusive request keeps its lease when the answer to a renewal was lost", async () => {
  const { browser, session, events } = await withPendingRenewal();
  session.update("n", increment);
  await browser.end(session);
  assert.equal((await browser.contents()).n, 1);
  assert.deepEqual(named(events, "leaseLost"), []);
});

test("an exclusive request drops its changes if its session is revoked after a renewal of unknown outcome", async () => {
  const { session, store, events } = await withPendingRenewal();
  await setUp({}, store).sessions.revoke(session.id);
  session.update("n", increment);
  assert.deepEqual(await session.commit(), []);
  assert.equal(named(events, "gone").length, 1);
  assert.deepEqual(named(events, "leaseLost"), []);
});

test("an exclusive request that loses its lease after a save of unknown outcome says that the save may have been applied", async () => {
  const { browser, session, store, events } = await withPendingSave(
    "before",
    (session) => session.set("n", 5),
    {},
    "exclusive",
  );
  const found = (await store.read(key(browser)))!;
  await store.update(key(browser), found, found.version); // as a server that takes the lease over does
  await assert.rejects(Promise.resolve(session.commit()), /may have been applied.*no longer locked by this request/);
  assert.equal(named(events, "leaseLost").length, 1);
});

test("a save that lands after the commit has begun is applied once", async () => {
  for (const landsAt of ["update", "read"] as const) {
    const { browser, store } = await setUpCounters();
    const session = await browser.open();
    session.update("n", increment);
    let land = () => {};
    store.before = (operation) =>
      operation === "update" ? new Promise<void>((resolve) => { land = resolve; }) : undefined; // biome-ignore format: one line
    await assert.rejects(session.save(), /did not update within 300 ms/);
    let hasLanded = false;
    store.before = async (operation) => {
      if (operation !== landsAt || hasLanded) return;
      hasLanded = true;
      land();
      await new Promise(setImmediate);
    };
    session.update("n", increment);
    await browser.end(session);
    land();
    await new Promise(setImmediate);
    assert.equal((await browser.contents()).n, 2);
  }
});

test("while the store is down, the commit fails, and the saved change is not applied again", async () => {
  for (const mode of ["merge", "exclusive"] as const) {
    const made = await setUpCounters();
    const { browser, store } = made;
    const session = await browser.open(mode);
    session.update("n", increment);
    const fault = breakConnection(store, "after");
    await assert.rejects(session.save(), StoreError);
    await assert.rejects(session.save(), StoreError);
    await assert.rejects(Promise.resolve(session.commit()), StoreError);
    fault.repair();
    assert.equal((await atAnotherServer(made).contents()).n, 1);
  }
});

test("requests whose changes were combined in one write are each applied once, or fail", async () => {
  const made = await setUpCounters();
  const { browser, store, sessions } = made;
  let isUp = false;
  sessions.on("storeUp", () => {
    isUp = true;
  });
  const [one, two, three] = await Promise.all([browser.open(), browser.open(), browser.open()]);
  for (const session of [one, two, three]) session.update("n", increment);
  const saved = [one.save()];
  const fault = breakConnection(store, "after");
  saved.push(two.save(), three.save());
  assert.ok((await Promise.allSettled(saved)).some(({ status }) => status === "rejected"));
  fault.repair();
  // While the circuit breaker is open, the store is not asked.
  await waitUntil(
    () => isUp,
    () => browser.contents().catch(() => {}),
  );
  const committed = await Promise.allSettled([one, two, three].map(async (session) => session.commit()));
  const succeeded = committed.filter(({ status }) => status === "fulfilled").length;
  const { n } = (await atAnotherServer(made).contents()) as { n: number };
  assert.ok(succeeded > 0, "no commit succeeded");
  assert.ok(n >= succeeded && n <= 3, `${succeeded} commits succeeded, and the count is ${n}`);
});

test("the error of an indeterminate write reveals nothing of the session", async () => {
  const made = await setUpCounters();
  const session = await made.browser.open();
  session.set("secret", "the user's own");
  const fault = breakConnection(made.store, "after");
  const error = await session.save().catch((error: unknown) => error);
  fault.repair();
  const shown = inspect(error, { depth: 9, showHidden: true, getters: true });
  assert.doesNotMatch(shown, /sent|Buffer|SessionRecord/);
});

test("without a fault, a save and a commit make no additional store calls", async () => {
  const { browser, store } = await setUpCounters();
  store.calls.length = 0;
  await browser.request(async (session) => {
    session.update("n", increment);
    await session.save();
    session.update("n", increment);
  });
  assert.deepEqual(store.calls, ["read", "update", "update"]);
});

/** Waits until the condition holds. The limit is far longer than that takes. */
async function waitUntil(condition: () => boolean, poll: () => unknown = () => {}): Promise<void> {
  for (const deadline = Date.now() + 10_000; !condition(); await sleep(10)) {
    assert.ok(Date.now() < deadline, "the condition does not hold after 10 seconds");
    await poll();
  }
}
