import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { inspect } from "node:util";
import { type SessionsOptions, StoreError } from "../src/index.ts";
import { Browser } from "./support/browser.ts";
import { LEASE } from "./support/farm.ts";
import { type Data, key, named, setUp } from "./support/set-up.ts";
import type { Operation, WatchedStore } from "./support/stores.ts";

const REFUSED = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });

/** The store hangs up on an update that it has done, or has not, and answers nothing until it is `back`. */
function hangUp(store: WatchedStore, when: "before" | "after"): { back(): void } {
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
    back() {
      store.before = undefined;
      store.after = undefined;
    },
  };
}

const increment = (n: unknown) => ((n as number | undefined) ?? 0) + 1;

async function counted(options: SessionsOptions<Data> = {}) {
  const made = setUp({ storeTimeout: 300, ...options });
  await made.browser.request((session) => Object.assign(session.data, { n: 0, list: [], seen: ["a"], other: 0 }));
  return made;
}

/** A request whose save may have been done, or has not; the store is back again. */
async function inDoubt(
  when: "before" | "after",
  change: (session: Awaited<ReturnType<Browser<Data>["open"]>>) => void,
  options: SessionsOptions<Data> = {},
  mode: "merge" | "exclusive" = "merge",
) {
  const made = await counted(options);
  const session = await made.browser.open(mode);
  change(session);
  const fault = hangUp(made.store, when);
  await assert.rejects(session.save(), (error: Error) => {
    assert.ok(error instanceof StoreError);
    assert.match(error.message, /it may have been done all the same/);
    assert.equal(error.name, "StoreError");
    return true;
  });
  fault.back();
  return { ...made, session, elsewhere: atAnotherServer(made) };
}

/** An exclusive request of which a renewal may have been done; the store is back again. */
async function renewalInDoubt() {
  const made = await counted({ exclusive: { lease: LEASE } });
  const session = await made.browser.open("exclusive");
  const fault = hangUp(made.store, "after");
  await waitUntil(() => named(made.events, "storeError").length > 3);
  fault.back();
  return { ...made, session };
}

/** The same browser at a server that has seen no failure, and has no part in the queue of commits. */
function atAnotherServer({ store, browser }: Awaited<ReturnType<typeof counted>>): Browser<Data> {
  const elsewhere = new Browser<Data>(setUp({}, store).sessions);
  elsewhere.cookie = browser.cookie;
  return elsewhere;
}

for (const when of ["after", "before"] as const) {
  const was = when === "after" ? "was done" : "was not done";

  describe(`a save that ${was}, of which nobody was told`, () => {
    for (const mode of ["merge", "exclusive"] as const) {
      test(`then the commit (${mode}): what it changed counts once`, async () => {
        const { browser, session } = await inDoubt(when, (session) => session.update("n", increment), {}, mode);
        await browser.end(session);
        assert.equal((await browser.contents()).n, 1);
      });

      test(`then more changes, and another save (${mode}): each counts once`, async () => {
        const { browser, session } = await inDoubt(when, (session) => session.update("n", increment), {}, mode);
        session.update("n", increment);
        session.update("other", increment);
        assert.equal(await session.save(), true);
        session.update("n", increment);
        await browser.end(session);
        const { n, other } = await browser.contents();
        assert.deepEqual([n, other], [3, 1]);
      });
    }

    test("keys that a resolver merges count once", async () => {
      const merge: object = { n: "counter", list: "append", seen: "union" };
      const { browser, session } = await inDoubt(
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

    test("then regenerate: it counts once, and goes along", async () => {
      const { browser, session } = await inDoubt(when, (session) => session.update("n", increment));
      assert.equal(await session.regenerate(), true);
      session.update("n", increment);
      await browser.end(session);
      assert.equal((await browser.contents()).n, 2);
    });

    test("then somebody else writes, and regenerate: what is changed after that counts", async () => {
      const { browser, session, elsewhere } = await inDoubt(when, (session) => session.set("n", 5));
      await elsewhere.request((session) => session.update("other", increment));
      assert.equal(await session.regenerate(), true);
      session.update("n", increment);
      await browser.end(session);
      const { n, other } = await browser.contents();
      assert.deepEqual([n, other], [6, 1]);
    });

    test("then destroy, and a new session: it does not come back", async () => {
      const { browser, session } = await inDoubt(when, (session) => session.update("n", increment));
      await session.destroy();
      session.update("n", increment);
      await browser.end(session);
      assert.deepEqual(await browser.contents(), { n: 1 });
    });

    test("then it is taken back: the commit says what holds", async () => {
      const { browser, session } = await inDoubt(when, (session) => session.set("n", 7));
      session.set("n", 0);
      await browser.end(session);
      assert.equal((await browser.contents()).n, 0);
    });

    test("then it is discarded: the commit writes nothing", async () => {
      const { browser, session, store } = await inDoubt(when, (session) => session.update("n", increment));
      session.discard();
      store.calls.length = 0;
      await browser.end(session);
      assert.deepEqual(store.calls, []);
    });

    for (const mode of ["merge", "exclusive"] as const) {
      test(`then it is discarded (${mode}): the commit does not make it`, async () => {
        const { browser, session } = await inDoubt(when, (session) => session.update("n", increment), {}, mode);
        session.discard();
        await browser.end(session);
        assert.equal((await browser.contents()).n, when === "after" ? 1 : 0);
      });

      test(`then reload (${mode}): what it shows holds, and what is changed after that counts`, async () => {
        const { browser, session } = await inDoubt(when, (session) => session.update("n", increment), {}, mode);
        assert.equal(await session.reload(), true);
        const shown = session.data.n as number;
        assert.equal(shown, when === "after" ? 1 : 0);
        session.update("n", increment);
        await browser.end(session);
        assert.equal((await browser.contents()).n, shown + 1);
      });

      test(`then destroy, while nothing can be changed (${mode}): the session ends`, async () => {
        const { browser, session, store } = await inDoubt(when, (session) => session.update("n", increment), {}, mode);
        store.before = (operation) => {
          if (operation === "update") throw REFUSED;
        };
        await session.destroy();
        assert.equal(store.rows.has(key(browser)), false);
      });

      test(`then somebody ends the session, and regenerate (${mode}): nobody says that the change was dropped`, async () => {
        const { session, store, events } = await inDoubt(when, (session) => session.set("n", 5), {}, mode);
        await setUp({}, store).sessions.revoke(session.id);
        await assert.rejects(session.regenerate(), /may have been done.*has ended since/);
        assert.equal(named(events, "gone").length, 1);
        assert.deepEqual(named(events, "leaseLost"), []);
      });
    }

    test("then somebody else writes: an update can't be counted, and the commit says so", async () => {
      const { browser, session, elsewhere } = await inDoubt(when, (session) => session.update("n", increment));
      await elsewhere.request((session) => session.update("other", increment));
      session.set("more", true);
      await assert.rejects(Promise.resolve(session.commit()), (error: Error) => {
        assert.ok(error instanceof StoreError);
        assert.match(error.message, /may have been done.*"n" could count twice/);
        return true;
      });
      const { n, other, more } = await browser.contents();
      assert.deepEqual([n, other, more], [when === "after" ? 1 : 0, 1, undefined]);
    });

    test("then somebody else writes: what may be done twice is done, and so is what was not sent before", async () => {
      const { browser, session, elsewhere } = await inDoubt(
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

    test("then somebody ends the session: nobody says that the change was dropped", async () => {
      const { browser, session, store, events, elsewhere } = await inDoubt(when, (session) => session.set("n", 5));
      await elsewhere.request((session) => session.destroy());
      await assert.rejects(Promise.resolve(session.commit()), /may have been done/);
      assert.equal(store.rows.has(key(browser)), false);
      assert.equal(named(events, "gone").length, 1);
    });

    test("where two writers may write the same bytes: an increment is never counted twice", async () => {
      const options = { encryption: "off" } as const;
      const { browser, session } = await inDoubt(when, (session) => session.update("n", increment), options);
      if (when === "before") await browser.end(session);
      else await assert.rejects(Promise.resolve(session.commit()), StoreError);
      assert.equal((await browser.contents()).n, 1);
    });
  });
}

test("an exclusive request whose save is in doubt lets go of the session, whatever comes", async () => {
  const { session, elsewhere, browser } = await inDoubt(
    "after",
    (session) => session.update("n", increment),
    {},
    "exclusive",
  );
  await browser.end(session);
  await elsewhere.request((session) => session.update("n", increment), "exclusive");
  assert.equal((await browser.contents()).n, 2);
});

test("an exclusive request stays alone when its claim is renewed after a save in doubt", async () => {
  const { browser, session, store, events } = await inDoubt(
    "after",
    (session) => session.update("n", increment),
    { exclusive: { lease: LEASE } },
    "exclusive",
  );
  store.calls.length = 0;
  // It is sent once more, and then comes the renewal.
  await waitUntil(() => store.calls.filter((call) => call === "update").length >= 2);
  session.update("n", increment);
  await browser.end(session);
  assert.equal((await browser.contents()).n, 2);
  assert.deepEqual(named(events, "leaseLost"), []);
});

test("an exclusive request stays alone when the answer to a renewal was lost", async () => {
  const { browser, session, events } = await renewalInDoubt();
  session.update("n", increment);
  await browser.end(session);
  assert.equal((await browser.contents()).n, 1);
  assert.deepEqual(named(events, "leaseLost"), []);
});

test("an exclusive request whose session was ended after the answer to a renewal was lost drops its changes", async () => {
  const { session, store, events } = await renewalInDoubt();
  await setUp({}, store).sessions.revoke(session.id);
  session.update("n", increment);
  assert.deepEqual(await session.commit(), []);
  assert.equal(named(events, "gone").length, 1);
  assert.deepEqual(named(events, "leaseLost"), []);
});

test("an exclusive request that has lost the session after a save in doubt does not say that nothing was written", async () => {
  const { browser, session, store, events } = await inDoubt(
    "before",
    (session) => session.set("n", 5),
    {},
    "exclusive",
  );
  const found = (await store.read(key(browser)))!;
  await store.update(key(browser), found, found.version); // as another server does that takes over
  await assert.rejects(Promise.resolve(session.commit()), /may have been done.*no longer this request's own/);
  assert.equal(named(events, "leaseLost").length, 1);
});

test("a save that arrives after the commit has begun counts once", async () => {
  for (const arrivesAt of ["update", "read"] as const) {
    const { browser, store } = await counted();
    const session = await browser.open();
    session.update("n", increment);
    let arrive = () => {};
    store.before = (operation) =>
      operation === "update" ? new Promise<void>((resolve) => { arrive = resolve; }) : undefined; // biome-ignore format: one line
    await assert.rejects(session.save(), /did not update within 300 ms/);
    let arrived = false;
    store.before = async (operation) => {
      if (operation !== arrivesAt || arrived) return;
      arrived = true;
      arrive();
      await new Promise(setImmediate);
    };
    session.update("n", increment);
    await browser.end(session);
    arrive();
    await new Promise(setImmediate);
    assert.equal((await browser.contents()).n, 2);
  }
});

test("while the store is still down, the commit fails, and what was saved is not made again", async () => {
  for (const mode of ["merge", "exclusive"] as const) {
    const made = await counted();
    const { browser, store } = made;
    const session = await browser.open(mode);
    session.update("n", increment);
    const fault = hangUp(store, "after");
    await assert.rejects(session.save(), StoreError);
    await assert.rejects(session.save(), StoreError);
    await assert.rejects(Promise.resolve(session.commit()), StoreError);
    fault.back();
    assert.equal((await atAnotherServer(made).contents()).n, 1);
  }
});

test("requests whose changes went together each count once, or say that they may not have", async () => {
  const made = await counted();
  const { browser, store, sessions } = made;
  let isUp = false;
  sessions.on("storeUp", () => {
    isUp = true;
  });
  const [one, two, three] = await Promise.all([browser.open(), browser.open(), browser.open()]);
  for (const session of [one, two, three]) session.update("n", increment);
  const saved = [one.save()];
  const fault = hangUp(store, "after");
  saved.push(two.save(), three.save());
  assert.ok((await Promise.allSettled(saved)).some(({ status }) => status === "rejected"));
  fault.back();
  // Until the breaker has found out, the store would not even be asked.
  await waitUntil(
    () => isUp,
    () => browser.contents().catch(() => {}),
  );
  const committed = await Promise.allSettled([one, two, three].map(async (session) => session.commit()));
  const done = committed.filter(({ status }) => status === "fulfilled").length;
  const { n } = (await atAnotherServer(made).contents()) as { n: number };
  assert.ok(done > 0, "none was done");
  assert.ok(n >= done && n <= 3, `${done} were done, and ${n} are there`);
});

test("the error of a write in doubt shows nothing of the session", async () => {
  const made = await counted();
  const session = await made.browser.open();
  session.set("secret", "the user's own");
  const fault = hangUp(made.store, "after");
  const error = await session.save().catch((error: unknown) => error);
  fault.back();
  const shown = inspect(error, { depth: 9, showHidden: true, getters: true });
  assert.doesNotMatch(shown, /sent|Buffer|SessionRecord/);
});

test("without a fault, a save and a commit ask the store for nothing more", async () => {
  const { browser, store } = await counted();
  store.calls.length = 0;
  await browser.request(async (session) => {
    session.update("n", increment);
    await session.save();
    session.update("n", increment);
  });
  assert.deepEqual(store.calls, ["read", "update", "update"]);
});

/** Waits for what happens soon, without saying how soon. */
async function waitUntil(isSo: () => boolean, trying: () => unknown = () => {}): Promise<void> {
  for (const deadline = Date.now() + 10_000; !isSo(); await sleep(10)) {
    assert.ok(Date.now() < deadline, "it did not happen");
    await trying();
  }
}
