// Tests of session.once: one of all parallel requests makes a value.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  CapabilityError,
  CoatcheckError,
  type LiveSession,
  LockTimeoutError,
  OptionError,
  type Session,
  SessionClosedError,
  type SessionStore,
  StoreError,
  UnstorableValueError,
  ValueNotStoredError,
} from "../../src/index.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { sealedCookie } from "../../src/stores/sealed-cookie/index.ts";
import { startProvider } from "../fixtures/once/provider.ts";
import { tempDir } from "../servers/process.ts";
import { Browser } from "../support/browser.ts";
import { serverStores } from "../support/every-store.ts";
import { fail, LEASE, repair } from "../support/farm.ts";
import { clock, type Data, MINUTE, named, setUp } from "../support/set-up.ts";
import { type WatchedStore, watched } from "../support/stores.ts";

interface Tokens {
  access: string;
  good: boolean;
}

const STALE: Tokens = { access: "a0", good: false };
const isFresh = (tokens: unknown) => (tokens as Tokens).good;

/** Makes tokens, slowly enough that parallel requests meet. */
function provider(milliseconds = 20) {
  const calls: unknown[] = [];
  const refresh = async (former: unknown): Promise<Tokens> => {
    calls.push(former);
    const access = `a${calls.length}`;
    await sleep(milliseconds);
    return { access, good: true };
  };
  return { calls, refresh };
}

/** Servers that share a store, and a browser whose session has stale tokens. */
async function farm(store: SessionStore, servers = 3, exclusive = {}) {
  const all = Array.from({ length: servers }, () =>
    setUp({ exclusive: { lease: LEASE, ...exclusive } }, store as WatchedStore),
  );
  const browser = new Browser<Data>(...all.map(({ sessions }) => sessions));
  await browser.request((session) => session.set("tokens", STALE));
  return { browser, servers: all, events: () => all.flatMap(({ events }) => events) };
}

for (const [name, make] of Object.entries(serverStores)) {
  describe(`on ${name}, session.once`, () => {
    test("runs once for 50 parallel requests on three servers, and all have its value", async () => {
      const { browser } = await farm(make());
      const { calls, refresh } = provider();
      const values = await Promise.all(
        Array.from({ length: 50 }, async (_, i) => {
          const session = await browser.open();
          const tokens = (await session.once("tokens", refresh, { isFresh })) as Tokens;
          assert.equal(session.data.tokens, tokens);
          session.set(`request${i}`, i);
          await browser.end(session);
          return tokens.access;
        }),
      );
      assert.deepEqual(calls, [STALE]);
      assert.deepEqual(values, Array(50).fill("a1"));
      const { tokens, ...others } = await browser.contents();
      assert.deepEqual(tokens, { access: "a1", good: true });
      assert.equal(Object.keys(others).length, 50);
    });

    test("stores its value at once: a handler that fails does not lose it", async () => {
      const { browser } = await farm(make());
      const { refresh } = provider();
      const session = await browser.open();
      session.set("other", "of the handler");
      await session.once("tokens", refresh, { isFresh });
      session.discard();
      assert.deepEqual(await browser.contents(), { tokens: { access: "a1", good: true } });
    });

    test("keeps a value for its ttl, and then makes it from the former one", async (t) => {
      const tick = clock(t);
      const { browser } = await farm(make(), 1);
      const formers: unknown[] = [];
      const count = (former: unknown) => {
        formers.push(former);
        return typeof former === "number" ? former + 1 : 1;
      };
      const rate = async () => {
        const session = await browser.open();
        const value = await session.once("rate", count, { ttl: "5m" });
        await browser.end(session);
        return value;
      };
      assert.equal(await rate(), 1);
      tick(5 * MINUTE - 1);
      assert.equal(await rate(), 1);
      tick(1);
      assert.equal(await rate(), 2);
      assert.deepEqual(formers, [undefined, 1]);
      assert.deepEqual(Object.keys(await browser.contents()), ["tokens", "rate"]);
    });

    test("gives an error of the function to its caller, and the next request tries again", async () => {
      const { browser } = await farm(make());
      let calls = 0;
      const refresh = async () => {
        await sleep(5);
        if (++calls <= 2) throw new Error(`the provider fails ${calls}`);
        return { access: `a${calls}`, good: true };
      };
      const results = await Promise.allSettled(
        Array.from({ length: 9 }, async () => (await browser.open()).once("tokens", refresh, { isFresh })),
      );
      const errors = results.flatMap((one) => (one.status === "rejected" ? [one.reason.message] : []));
      assert.deepEqual(errors.sort(), ["the provider fails 1", "the provider fails 2"]);
      assert.equal(calls, 3);
    });

    test("runs once for a session that begins with it, and the browser gets its cookie", async () => {
      const { sessions } = setUp({ store: make() });
      const browser = new Browser<Data>(sessions);
      await browser.request(async (session) => {
        session.set("cart", [1]);
        assert.equal(await session.once("rate", () => 7, { ttl: "1m" }), 7);
      });
      assert.deepEqual(await browser.contents(), { cart: [1], rate: 7 });
    });

    test("is waited for by regenerate: the new ticket has the value", async () => {
      const { browser } = await farm(make());
      const { calls, refresh } = provider(60);
      const making = (await browser.open()).once("tokens", refresh, { isFresh });
      while (calls.length === 0) await sleep(1);
      await browser.request(async (session) => assert.equal(await session.regenerate(), true));
      assert.deepEqual(await making, { access: "a1", good: true });
      assert.deepEqual(await browser.contents(), { tokens: { access: "a1", good: true } });
      const next = await browser.open();
      assert.deepEqual(await next.once("tokens", refresh, { isFresh }), { access: "a1", good: true });
      assert.equal(calls.length, 1);
    });

    test("is waited for by an exclusive request, and waits for one", async () => {
      const { browser } = await farm(make());
      const { calls, refresh } = provider(40);
      const making = (await browser.open()).once("tokens", refresh, { isFresh });
      while (calls.length === 0) await sleep(1);
      const alone = await browser.open("exclusive");
      assert.deepEqual(alone.data.tokens, { access: "a1", good: true });
      alone.set("tokens", STALE);
      await alone.save();
      const waiting = (await browser.open()).once("tokens", refresh, { isFresh });
      assert.deepEqual(await alone.once("tokens", refresh, { isFresh }), { access: "a2", good: true });
      await browser.end(alone);
      assert.deepEqual(await waiting, { access: "a2", good: true });
      await making;
      assert.equal(calls.length, 2);
    });

    test("lets other requests read and write meanwhile", async () => {
      const { browser } = await farm(make());
      const end = Promise.withResolvers<void>();
      const making = (await browser.open()).once("tokens", () => end.promise.then(() => ({ good: true })), { isFresh });
      await browser.request((session) => session.set("cart", [1, 2]));
      assert.deepEqual((await browser.contents()).cart, [1, 2]);
      end.resolve();
      await making;
      assert.deepEqual(await browser.contents(), { cart: [1, 2], tokens: { good: true } });
    });

    test("gives its value with an error if the session has ended meanwhile", async () => {
      const { browser } = await farm(make());
      const end = Promise.withResolvers<void>();
      const isMade = Promise.withResolvers<void>();
      const open = await Promise.all([browser.open(), browser.open(), browser.open()]);
      const refresh = async () => {
        isMade.resolve();
        await end.promise;
        return { access: "secret-1", good: true };
      };
      const making = Promise.allSettled(open.map((session) => session.once("tokens", refresh, { isFresh })));
      await isMade.promise;
      await browser.request((session) => session.destroy());
      end.resolve();
      const results = await making;
      const errors = results.map((one) => (one as PromiseRejectedResult).reason);
      const made = errors.filter((error) => error instanceof ValueNotStoredError);
      assert.equal(made.length, 1);
      assert.deepEqual(made[0]!.value, { access: "secret-1", good: true });
      assert.equal(String(made[0]!.stack + JSON.stringify(made[0])).includes("secret-1"), false);
      for (const error of errors) {
        const { code } = (error instanceof ValueNotStoredError ? error.cause : error) as CoatcheckError;
        assert.equal(code, "COATCHECK_GONE");
      }
      assert.deepEqual(await browser.contents(), {});
    });
  });
}

describe("session.once", () => {
  test("asks no store for a value that is fresh", async () => {
    const store = watched();
    const { browser } = await farm(store);
    await (await browser.open()).once("tokens", provider().refresh, { isFresh });
    const session = await browser.open();
    store.calls.length = 0;
    await session.once("tokens", () => assert.fail("it is fresh"), { isFresh });
    assert.deepEqual(store.calls, []);
  });

  test("first stores what its request has made of the key", async () => {
    const { browser } = await farm(watched());
    const { calls, refresh } = provider();
    const session = await browser.open();
    session.data.tokens = { access: "of the login", good: false };
    await session.once("tokens", refresh, { isFresh });
    assert.deepEqual(calls, [{ access: "of the login", good: false }]);
    session.data.tokens = { access: "set since", good: true };
    assert.deepEqual(await session.once("tokens", refresh, { isFresh }), { access: "set since", good: true });
    await session.commit();
    assert.deepEqual(await browser.contents(), { tokens: { access: "set since", good: true } });
  });

  test("merges what its request changes beside it, and a change in place of its result", async () => {
    const { browser } = await farm(watched());
    const session = await browser.open();
    session.update("n", (n) => ((n as number) ?? 0) + 1);
    const other = await browser.open();
    other.update("n", (n) => ((n as number) ?? 0) + 1);
    await other.commit();
    const tokens = (await session.once("tokens", provider().refresh, { isFresh })) as Tokens;
    tokens.access = "changed in place";
    await session.commit();
    assert.deepEqual(await browser.contents(), { tokens: { access: "changed in place", good: true }, n: 2 });
  });

  test("makes two keys of one session at the same time", async () => {
    const { browser } = await farm(watched());
    const session = await browser.open();
    const both = Promise.withResolvers<void>();
    let running = 0;
    const meet = async () => {
      if (++running === 2) both.resolve();
      await both.promise;
      return { good: true };
    };
    await Promise.all([session.once("one", meet, { isFresh }), session.once("other", meet, { isFresh })]);
    assert.deepEqual(await browser.contents(), { tokens: STALE, one: { good: true }, other: { good: true } });
  });

  test("keeps its place in the queue of exclusive requests until its value is stored", async () => {
    const { browser } = await farm(watched(), 1, { maxWait: "5s" });
    const order: string[] = [];
    const first = await browser.open("exclusive");
    const waiting = await browser.open();
    const making = waiting.once(
      "tokens",
      async () => {
        order.push("begins");
        await sleep(50);
        order.push("ends");
        return { access: "a1", good: true };
      },
      { isFresh },
    );
    await sleep(20); // it queues first
    const next = browser.open("exclusive").then(async (session) => {
      order.push("next");
      assert.deepEqual(session.data.tokens, { access: "a1", good: true });
      session.set("next", true);
      await session.commit();
    });
    const merging = browser.request((session) => session.set("merging", true));
    await sleep(20);
    await first.commit();
    await Promise.all([making, next, merging]);
    assert.deepEqual(order, ["begins", "ends", "next"]);
    assert.deepEqual(await browser.contents(), { tokens: { access: "a1", good: true }, next: true, merging: true });
  });

  test("uses no token twice among merging and exclusive requests and logins, at random", async () => {
    const { browser } = await farm(serverStores["a slow database"]!(), 3, { maxWait: "20s" });
    await browser.request((session) => Object.assign(session.data, { tokens: { n: 0 }, hits: 0, alone: 0 }));
    let wanted = 0;
    let issued = 0;
    const refresh = async (former: unknown) => {
      assert.equal((former as { n: number }).n, issued, "each token is used once, and the newest");
      issued++;
      await sleep(Math.random() * 10);
      return { n: issued };
    };
    const done = { hits: 0, alone: 0, logins: 0, refused: 0 };
    const worker = async () => {
      for (let i = 0; i < 30; i++) {
        const choice = Math.random();
        if (Math.random() < 0.3) wanted = issued + 1;
        const session = await browser.open(choice < 0.2 ? "exclusive" : "merge");
        try {
          const round = wanted;
          if (choice < 0.1) session.data.alone = (session.data.alone as number) + 1;
          const isNewEnough = (tokens: unknown) => (tokens as { n: number }).n >= round;
          if (choice < 0.8) await session.once("tokens", refresh, { isFresh: isNewEnough });
          else session.update("hits", (hits) => (hits as number) + 1);
          if (choice > 0.95 && !session.isNew && (await session.regenerate())) done.logins++;
          const isThere = !session.isNew;
          browser.keep(await session.commit());
          if (isThere && choice < 0.1) done.alone++;
          if (isThere && choice >= 0.8) done.hits++;
        } catch (error) {
          // A request whose ticket was replaced while it ran. No value is lost that way.
          assert.equal((error as CoatcheckError).code, "COATCHECK_GONE", String((error as Error).stack));
          done.refused++;
          session.discard();
          await session.commit();
        }
      }
    };
    await Promise.all(Array.from({ length: 12 }, worker));
    const { tokens, hits, alone } = await browser.contents();
    assert.deepEqual(tokens, { n: issued });
    assert.ok(issued > 10 && done.logins > 0);
    // What is acknowledged counts; a request that a login has overtaken is not.
    assert.ok((hits as number) <= done.hits && (alone as number) <= done.alone, JSON.stringify({ hits, alone, done }));
  });

  test("does not store a value for the next user of the session", async () => {
    const { browser } = await farm(watched());
    await browser.request((session) => {
      session.owner = "ann";
      session.set("tokens", STALE);
    });
    const { calls, refresh } = provider(40);
    const making = (await browser.open()).once("tokens", refresh, { isFresh });
    const refused = assert.rejects(making, ValueNotStoredError);
    while (calls.length === 0) await sleep(1);
    await browser.request((session) => {
      session.owner = "ben";
      session.set("tokens", { access: "of ben", good: true });
    });
    await refused;
    assert.deepEqual(await browser.contents(), { tokens: { access: "of ben", good: true } });
  });

  test("stores its value when the store is back", async () => {
    const store = watched();
    const { browser } = await farm(store, 1, { maxWait: "20s" });
    const session = await browser.open();
    const refresh = async () => {
      fail(store, "update");
      setTimeout(() => repair(store), 1_500);
      return { access: "a1", good: true };
    };
    await session.once("tokens", refresh, { isFresh });
    assert.deepEqual(await browser.contents(), { tokens: { access: "a1", good: true } });
  });

  test("finds its value stored if only the answer was lost", async () => {
    const store = watched();
    const { browser, events } = await farm(store, 1);
    const session = await browser.open();
    const refresh = async () => {
      let lost = 0;
      store.after = (operation) => {
        if (operation === "update" && ++lost <= 4) throw new Error("the answer is lost");
      };
      return { access: "a1", good: true };
    };
    assert.deepEqual(await session.once("tokens", refresh, { isFresh }), { access: "a1", good: true });
    repair(store);
    assert.deepEqual(await browser.contents(), { tokens: { access: "a1", good: true } });
    assert.deepEqual(named(events(), "leaseLost"), []);
  });

  test("gives its value with an error if the store stays away", async () => {
    const store = watched();
    const { browser } = await farm(store, 1, { maxWait: 300 });
    const session = await browser.open();
    const refresh = async () => {
      fail(store, "update");
      return { access: "a1", good: true };
    };
    await assert.rejects(session.once("tokens", refresh, { isFresh }), (error: ValueNotStoredError) => {
      assert.ok(error instanceof ValueNotStoredError);
      assert.ok(error.cause instanceof StoreError);
      assert.equal(error.status, 503);
      assert.deepEqual(error.value, { access: "a1", good: true });
      return true;
    });
  });

  test("gives its value with an error if it can't be stored, and lets the next request try", async () => {
    const { browser } = await farm(memory());
    const session = await browser.open();
    for (const bad of [() => () => 1, () => undefined]) {
      await assert.rejects(session.once("tokens", bad, { isFresh }), (error: ValueNotStoredError) => {
        assert.ok(error.cause instanceof UnstorableValueError, String(error));
        return true;
      });
    }
    assert.deepEqual(await session.once("tokens", provider().refresh, { isFresh }), { access: "a1", good: true });
  });

  test("waits as long as maxWait says", async () => {
    const { browser, servers } = await farm(watched(), 2, { maxWait: 100 });
    const end = Promise.withResolvers<void>();
    const make = () => end.promise.then(() => ({ good: true }));
    const making = (await servers[0]!.sessions.open(browser.cookie)).once("tokens", make, { isFresh });
    for (const { sessions } of servers) {
      const waiting = (await sessions.open(browser.cookie)).once("tokens", make, { isFresh });
      await assert.rejects(waiting, (error: LockTimeoutError) => {
        assert.ok(error instanceof LockTimeoutError);
        assert.match(error.message, /did not make "tokens" of session \S+ within 100 ms/);
        return true;
      });
    }
    end.resolve();
    await making;
  });

  test("renews its claim for as long as it runs", async () => {
    const { browser, events } = await farm(watched(), 2);
    const { calls, refresh } = provider(2.5 * LEASE);
    await Promise.all(
      Array.from({ length: 4 }, async () => (await browser.open()).once("tokens", refresh, { isFresh })),
    );
    assert.equal(calls.length, 1);
    assert.deepEqual(named(events(), "takeover"), []);
  });

  test("is taken over after maxHold, and the later result wins", async () => {
    const { browser, servers, events } = await farm(watched(), 2, { maxHold: 1 });
    const ends = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let calls = 0;
    const make = async () => {
      const call = calls++;
      await ends[call]!.promise;
      return { access: `a${call + 1}`, good: true };
    };
    const first = (await servers[0]!.sessions.open(browser.cookie)).once("tokens", make, { isFresh });
    while (calls < 1) await sleep(1);
    const second = (await servers[1]!.sessions.open(browser.cookie)).once("tokens", make, { isFresh });
    while (calls < 2) await sleep(10);
    // The first one is late, but nothing newer is there: its value is kept until the second one has its own.
    ends[0]!.resolve();
    assert.deepEqual(await first, { access: "a1", good: true });
    assert.deepEqual(await browser.contents(), { tokens: { access: "a1", good: true } });
    ends[1]!.resolve();
    assert.deepEqual(await second, { access: "a2", good: true });
    assert.deepEqual(await browser.contents(), { tokens: { access: "a2", good: true } });
    assert.equal(named(events(), "takeover").length, 1);
    assert.equal(named(events(), "leaseLost").length, 1);
  });

  test("gives the newer value to a call that was taken over and is late", async () => {
    const { browser, servers, events } = await farm(watched(), 2, { maxHold: 1 });
    const end = Promise.withResolvers<void>();
    const late = () => end.promise.then(() => ({ access: "late", good: true }));
    const first = (await servers[0]!.sessions.open(browser.cookie)).once("tokens", late, { isFresh });
    const next = await servers[1]!.sessions.open(browser.cookie);
    assert.deepEqual(await next.once("tokens", provider().refresh, { isFresh }), { access: "a1", good: true });
    end.resolve();
    assert.deepEqual(await first, { access: "a1", good: true });
    assert.deepEqual(await browser.contents(), { tokens: { access: "a1", good: true } });
    assert.equal(named(events(), "leaseLost").length, 1);
  });

  test("runs in a message of an open connection, whose listeners hear of the value and not of the claim", async () => {
    const { browser, servers } = await farm(watched(), 1);
    const { sessions } = servers[0]!;
    const live: LiveSession<Data> = sessions.follow(await browser.open());
    await live.reload();
    let changes = 0;
    live.on("change", () => changes++);
    await live.use((session) => session.once("tokens", provider().refresh, { isFresh }));
    await live.reload();
    assert.deepEqual(live.data.tokens, { access: "a1", good: true });
    assert.ok(changes <= 1);
    live.stop();
  });

  test("refuses what can't work, and says the fix", async () => {
    const { browser } = setUp();
    const session = await browser.open();
    const once = session.once as (...args: unknown[]) => Promise<unknown>;
    for (const [options, message] of [
      [{}, /option "ttl" is undefined/],
      [{ ttl: "5 minutes" }, /option "ttl" is "5 minutes": give milliseconds/],
      [{ ttl: "5m", isFresh }, /give ttl or isFresh, and not both/],
      [{ isFresh: true }, /option "isFresh" is true: give a function/],
      [{ maxAge: "5m" }, /option "maxAge" of once\(\) is unknown/],
    ] as const) {
      await assert.rejects(
        once.call(session, "a", () => 1, options),
        (error: Error) => {
          assert.ok(error instanceof OptionError);
          assert.match(error.message, message);
          return true;
        },
      );
    }
    await assert.rejects(once.call(session, "a", 1, { ttl: "5m" }), /option "make" is 1: give a function/);
    await assert.rejects(
      session.once("\0a", () => 1, { ttl: "5m" }),
      /a key must be/,
    );
    const readonly = await browser.open("readonly");
    await assert.rejects(
      readonly.once("a", () => 1, { ttl: "5m" }),
      SessionClosedError,
    );
    await session.commit();
    await assert.rejects(
      session.once("a", () => 1, { ttl: "5m" }),
      SessionClosedError,
    );
  });

  test("needs a server-side store", async () => {
    const { browser } = setUp({ store: sealedCookie() });
    const session = await browser.open();
    await assert.rejects(
      session.once("a", () => 1, { ttl: "5m" }),
      (error: Error) => {
        assert.ok(error instanceof CapabilityError);
        assert.match(error.message, /session\.once\(\) needs .* sealedCookie\(\) keeps sessions only in the browser/);
        return true;
      },
    );
  });

  test("works as the guide shows it", async (t) => {
    const guide = readFileSync(new URL("../../docs/guide.md", import.meta.url), "utf8");
    const [, example] = /^## One request makes it for all$[\s\S]*?```ts\n([\s\S]*?)```/m.exec(guide)!;
    const provider = await startProvider();
    t.after(provider.close);
    const path = join(tempDir("guide"), "example.ts");
    writeFileSync(path, example!.replace(/https:[^"]*/, provider.url));
    const { accessToken } = (await import(path)) as { accessToken(session: Session<Data>): Promise<string> };
    const { browser } = setUp();
    const isStale = await browser.open();
    await assert.rejects(accessToken(isStale), /log in first/);
    await browser.request((session) => session.set("tokens", { ...provider.login(), expires_at: Date.now() + 20_000 }));
    const tokens = await Promise.all(Array.from({ length: 5 }, async () => accessToken(await browser.open())));
    assert.equal(new Set(tokens).size, 1);
    assert.equal(await accessToken(await browser.open()), tokens[0]);
    assert.deepEqual(provider.uses(), [1]);
  });

  test("has the types of its key", async () => {
    interface Typed {
      tokens?: { access: string };
      n: number;
    }
    const check = async (session: Session<Typed>) => {
      const tokens: { access: string } = await session.once("tokens", (former) => ({ access: former?.access ?? "" }), {
        isFresh: (value) => value.access !== "",
      });
      const n: number = await session.once("n", async (former) => (former ?? 0) + 1, { ttl: "1m" });
      // @ts-expect-error: of another type
      await session.once("n", () => "one", { ttl: "1m" });
      // @ts-expect-error: no such key
      await session.once("m", () => 1, { ttl: "1m" });
      // @ts-expect-error: one of the two is needed
      await session.once("n", () => 1, {});
      return [tokens, n];
    };
    assert.equal(typeof check, "function");
    assert.ok(new CoatcheckError("X", "x") instanceof Error);
  });
});
