// Tests of one request's session: what it costs, what it saves, and how it ends.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import {
  ConflictError,
  SessionClosedError,
  type Sessions,
  SessionTooLargeError,
  StoreError,
  UnstorableValueError,
} from "../src/index.ts";
import { memory } from "../src/stores/memory/index.ts";
import { Browser } from "./support/browser.ts";
import { clock, type Data, key, MINUTE, named, setUp } from "./support/set-up.ts";
import { watched } from "./support/stores.ts";

describe("a request costs", () => {
  test("nothing without a cookie and a write: no store call, no Set-Cookie", async () => {
    const { store, sessions } = setUp({ initial: { cart: [], n: 0 } });
    for (let i = 0; i < 100; i++) {
      const session = await sessions.open(undefined);
      assert.equal(session.get("user"), undefined);
      assert.deepEqual(session.data.cart, []);
      assert.deepEqual(session.keys(), []);
      assert.equal(session.isNew, true);
      assert.equal(typeof session.id, "string");
      assert.deepEqual(session.commit(), []); // synchronously, not a promise
    }
    assert.deepEqual(store.calls, []);
  });

  test("nothing if its changes are reverted, or equal the stored values", async () => {
    const { store, sessions, browser } = setUp({ initial: { cart: [] } });
    const session = await sessions.open(undefined);
    session.set("a", 1);
    session.delete("a");
    session.delete("never there");
    (session.data.cart as number[]).push(1);
    (session.data.cart as number[]).pop();
    session.clear();
    assert.deepEqual(session.commit(), []);
    assert.deepEqual(store.calls, []);

    await browser.request((session) => session.set("a", [1]));
    store.calls.length = 0;
    const again = await browser.open();
    again.set("a", [1]);
    again.set("b", 1);
    again.delete("b");
    assert.deepEqual(again.commit(), []);
    assert.deepEqual(store.calls, ["read"]);
  });

  test("nothing for reading keys that only Object.prototype has", async () => {
    const { store, sessions } = setUp();
    const session = await sessions.open(undefined);
    for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty"]) {
      assert.equal(session.get(name), undefined);
      assert.equal(session.has(name), false);
      assert.ok(!(name in session.data));
    }
    assert.deepEqual(session.commit(), []);
    assert.deepEqual(store.calls, []);
  });

  test("one store call and a cookie to begin a session", async () => {
    const { store, browser } = setUp();
    const cookies = await browser.request((session) => session.set("a", 1));
    assert.deepEqual(store.calls, ["create"]);
    assert.equal(cookies.length, 1);
    assert.match(cookies[0]!, /^__Host-sid=[\w-]{40}; Path=\/; HttpOnly; Secure; SameSite=Lax$/);
  });

  test("one store call and no cookie to read", async () => {
    const { store, browser } = setUp();
    await browser.request((session) => session.set("list", [{ a: 1 }]));
    store.calls.length = 0;
    const session = await browser.open();
    assert.deepEqual(session.data.list, [{ a: 1 }]);
    assert.deepEqual(session.commit(), []);
    assert.deepEqual(store.calls, ["read"]);
  });

  test("two store calls and no cookie to change", async () => {
    const { store, browser } = setUp();
    await browser.request((session) => session.set("list", [1]));
    store.calls.length = 0;
    assert.deepEqual(await browser.request((session) => (session.data.list as number[]).push(2)), []);
    assert.deepEqual(store.calls, ["read", "update"]);
    assert.deepEqual(await browser.contents(), { list: [1, 2] });
  });

  test("one read for a session that has ended: no cookie, and no revival", async () => {
    const { store, browser, sessions } = setUp();
    await browser.request((session) => session.set("a", 1));
    await sessions.revoke(key(browser));
    store.calls.length = 0;
    const session = await browser.open();
    assert.equal(session.isNew, true);
    assert.deepEqual(session.keys(), []);
    assert.deepEqual(session.commit(), []);
    assert.deepEqual(store.calls, ["read"]);
  });
});

describe("the changes of a request", () => {
  test("are seen by the next one, on any server", async () => {
    const store = watched();
    const browser = new Browser(...[1, 2, 3].map(() => setUp({}, store).sessions));
    await browser.request((session) => session.set("a", 1));
    for (let i = 0; i < 6; i++) {
      await browser.request((session) => {
        assert.deepEqual({ ...session.data }, { a: 1, ...(i > 0 && { i: i - 1 }) });
        session.set("i", i);
      });
    }
  });

  test("are in the store before the response may start: a redirect's target sees them", async () => {
    const { browser, store } = setUp();
    store.before = () => new Promise((resolve) => setTimeout(resolve, 5)); // a slow store
    await browser.request((session) => session.set("order", "placed"));
    await browser.request((session) => session.set("step", 2));
    assert.deepEqual(await browser.contents(), { order: "placed", step: 2 });
  });

  test("are not lost among 50 parallel requests that each write their own key, on three servers", async () => {
    const store = watched();
    const servers = [1, 2, 3].map(() => setUp({}, store).sessions);
    const browser = new Browser(...servers);
    await browser.request((session) => session.set("first", true));
    await Promise.all(Array.from({ length: 50 }, (_, i) => browser.request((session) => session.set(`key ${i}`, i))));
    const left = await browser.contents();
    assert.equal(Object.keys(left).length, 51);
    for (let i = 0; i < 50; i++) assert.equal(left[`key ${i}`], i);
  });

  test("are not lost among 100 parallel updates of one key, on one server and on three", async () => {
    for (const size of [1, 3]) {
      const store = watched();
      const browser = new Browser(...Array.from({ length: size }, () => setUp({}, store).sessions));
      await browser.request((session) => session.set("n", 0));
      await Promise.all(
        Array.from({ length: 100 }, () => browser.request((session) => session.update("n", (n) => (n as number) + 1))),
      );
      assert.deepEqual(await browser.contents(), { n: 100 });
    }
  });

  test("are combined on one server: 50 parallel commits cost two writes", async () => {
    const { browser, store, events } = setUp();
    await browser.request((session) => session.set("n", 0));
    const sessions = await Promise.all(Array.from({ length: 50 }, () => browser.open()));
    store.calls.length = 0;
    for (const session of sessions) session.update("n", (n) => (n as number) + 1);
    await Promise.all(sessions.map((session) => session.commit()));
    assert.deepEqual(store.calls, ["update", "update"]);
    assert.equal(named(events, "conflict").length, 0);
    assert.deepEqual(await browser.contents(), { n: 50 });
  });

  test("over another server's write are reported as a conflict", async () => {
    const { browser, events, store } = setUp();
    await browser.request((session) => session.set("a", 1));
    const other = new Browser(setUp({}, store).sessions);
    other.cookie = browser.cookie;
    const session = await browser.open();
    await other.request((session) => session.set("b", 1));
    session.set("c", 1);
    await session.commit();
    assert.deepEqual(named(events, "conflict"), [{ id: session.id, attempt: 1 }]);
    assert.deepEqual(await browser.contents(), { a: 1, b: 1, c: 1 });
  });

  test("fail with a ConflictError if other writers are always first, and nothing is written", async () => {
    for (const save of ["save", "regenerate"] as const) {
      const inner = memory();
      const { browser, store } = setUp({}, watched(inner));
      await browser.request((session) => session.set("n", 0));
      const id = key(browser);
      const session = await browser.open();
      session.set("n", "mine");
      store.before = async (operation, which) => {
        if (which !== id || (operation !== "update" && operation !== "delete")) return;
        const stored = (await inner.read(id))!;
        await inner.update(id, stored, stored.version);
      };
      await assert.rejects(session[save](), (error: unknown) => error instanceof ConflictError && error.status === 503 && error.message.includes(id)); // biome-ignore format: one line
      store.before = undefined;
      assert.deepEqual(await browser.contents(), { n: 0 });
      assert.deepEqual([...store.rows.keys()], [id]);
      await browser.end(session); // tries again, and now succeeds
      assert.deepEqual(await browser.contents(), { n: "mine" });
    }
  });

  test("are refused if a value can't be stored: the error names the key, and nothing is written", async () => {
    const { browser, store } = setUp();
    await browser.request((session) => session.set("a", 1));
    const session = await browser.open();
    session.set("a", 2);
    session.set("socket", { on() {} });
    store.calls.length = 0;
    await assert.rejects(async () => session.commit(), (error: unknown) => error instanceof UnstorableValueError && error.message.includes('"socket"')); // biome-ignore format: one line
    assert.deepEqual(store.calls, []);
    assert.deepEqual(await browser.contents(), { a: 1 });
  });

  test("are refused if the session is too large: the error names the largest keys, and nothing is written", async () => {
    const { browser, store } = setUp({ maxSize: 1_000 });
    await browser.request((session) => session.set("a", "x".repeat(400)));
    store.calls.length = 0;
    const session = await browser.open();
    session.set("largest", "y".repeat(900));
    session.set("small", 1);
    session.flash("hello", "z".repeat(100));
    await assert.rejects(
      async () => session.commit(),
      (error: unknown) => {
        assert.ok(error instanceof SessionTooLargeError);
        assert.match(error.message, /maxSize \(1000\).*"largest" \(902\), "a" \(402\)/);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: there must be none
        assert.doesNotMatch(error.message, /[\0-\x1f]/);
        return true;
      },
    );
    assert.deepEqual(store.calls, ["read"]);
    assert.deepEqual(Object.keys(await browser.contents()), ["a"]);

    const tooLargeToBegin = setUp({ maxSize: 100 });
    await assert.rejects(tooLargeToBegin.browser.request((session) => session.set("a", "x".repeat(100))), SessionTooLargeError); // biome-ignore format: one line
    assert.deepEqual(tooLargeToBegin.store.calls, []);
  });

  test("are accepted up to exactly maxSize bytes", async () => {
    const probe = setUp({ encryption: "off" });
    await probe.browser.request((session) => session.set("a", "x".repeat(500)));
    const [size] = [...probe.store.rows.values()].map((value) => value.length);
    await setUp({ maxSize: size!, encryption: "off" }).browser.request((session) => session.set("a", "x".repeat(500)));
    await assert.rejects(
      setUp({ maxSize: size! - 1, encryption: "off" }).browser.request((session) => session.set("a", "x".repeat(500))),
      SessionTooLargeError,
    );
  });
});

describe("in one request", () => {
  test("data, get, set, has, delete, keys and clear agree", async () => {
    const { browser } = setUp({ initial: { theme: "light", cart: [] } });
    await browser.request((session) => {
      const { data } = session;
      session.set("a", 1);
      data.b = { c: 2 };
      assert.equal(data.a, 1);
      assert.deepEqual(session.get("b"), { c: 2 });
      assert.deepEqual(session.keys(), ["a", "b"]);
      assert.deepEqual(Object.keys(data), ["a", "b"]);
      assert.deepEqual({ ...data }, { a: 1, b: { c: 2 } });
      assert.equal(JSON.stringify(data), '{"a":1,"b":{"c":2}}');
      assert.equal(session.has("a") && "b" in data, true);
      assert.equal(data.theme, "light");
      assert.equal(session.has("theme") || "theme" in data, false);
      delete data.a;
      session.delete("b");
      assert.deepEqual(session.keys(), []);
      data.theme = "dark";
      assert.deepEqual(session.keys(), ["theme"]);
      session.clear();
      assert.equal(session.get("theme"), "light");
      assert.deepEqual(session.keys(), []);
      assert.equal(
        session.update("n", (n) => ((n as number) ?? 40) + 2),
        42,
      );
      assert.equal(session.get("n"), 42);
    });
    assert.deepEqual(await browser.contents(), { n: 42 });
  });

  test("data looks like a plain object: inspected, assigned, listed, defined, printed", async () => {
    const { sessions } = setUp();
    const { data } = await sessions.open(undefined);
    Object.assign(data, { a: 1, "": 2 });
    Object.defineProperty(data, "c", { value: 3, enumerable: true, configurable: true, writable: true });
    assert.deepEqual(Object.entries(data), [["a", 1], ["", 2], ["c", 3]]); // biome-ignore format: one line
    assert.equal(inspect(data), "{ a: 1, '': 2, c: 3 }");
    assert.equal(`${data}`, "[object Object]");
    assert.ok(Object.hasOwn(data, "a") && !Object.hasOwn(data, "b"));
    assert.ok((data.hasOwnProperty as (key: string) => boolean)("a"));
    assert.equal(Object.getPrototypeOf(data), Object.prototype);
    const { a, ...rest } = data;
    assert.deepEqual([a, rest], [1, { "": 2, c: 3 }]);
    assert.throws(() => Object.freeze(data), TypeError);
    assert.deepEqual(Object.keys(data), ["a", "", "c"]);
    assert.throws(() => Object.defineProperty(data, "d", { get: () => 1 }), TypeError);
    assert.equal((data as Record<symbol, unknown>)[Symbol.iterator], undefined);
  });

  test("no path through data reaches a shared prototype", async () => {
    const { browser } = setUp();
    await browser.request(({ data }) => {
      const walk = data as Record<string, Record<string, Record<string, unknown>>>;
      for (const path of [
        ["__proto__", "x"],
        ["constructor", "prototype", "x"],
      ]) {
        // biome-ignore format: a list
        try {
          let at: unknown = walk;
          for (const name of path.slice(0, -1)) at = (at as Data)[name];
          (at as Data)[path.at(-1)!] = "polluted";
        } catch (error) {
          assert.ok(error instanceof TypeError);
        }
      }
      assert.equal(({} as Data).x, undefined);
      // `__proto__` is a key like any other.
      Reflect.set(data, "__proto__", { x: 1 });
    });
    assert.equal(({} as Data).x, undefined);
    const session = await browser.open();
    assert.deepEqual(session.keys(), ["__proto__"]);
    assert.deepEqual(session.get("__proto__"), { x: 1 });
  });

  test("each session has its own copy of an initial value, and saves it once it is changed", async () => {
    const shared = { cart: [] as string[], when: new Date(0), bytes: Buffer.from("b") };
    const { browser, sessions } = setUp({ initial: shared });
    await browser.request(({ data }) => {
      assert.ok(Buffer.isBuffer(data.bytes));
      (data.cart as string[]).push("umbrella");
      assert.deepEqual(Object.keys(data), ["cart"]);
    });
    assert.deepEqual(shared.cart, []);
    assert.deepEqual((await sessions.open(undefined)).data.cart, []);
    assert.deepEqual(await browser.contents(), { cart: ["umbrella"] });
  });

  test("a deleted key has its initial value again, in this request and the next one", async () => {
    const { browser } = setUp({ initial: { cart: [] } });
    await browser.request((session) => session.set("cart", ["old"]));
    await browser.request((session) => {
      session.delete("cart");
      assert.deepEqual(session.data.cart, []);
      assert.equal(session.has("cart"), false);
    });
    assert.deepEqual(await browser.contents(), {});
    await browser.request((session) => session.set("cart", ["old"]));
    await browser.request((session) => {
      session.delete("cart");
      (session.data.cart as string[]).push("new");
      assert.equal(session.has("cart"), true);
    });
    assert.deepEqual(await browser.contents(), { cart: ["new"] });
  });

  test("an object keeps its identity, and changes in place are saved at any depth", async () => {
    const { browser } = setUp();
    await browser.request((session) =>
      session.set("cart", { items: [{ count: 1 }], tags: new Set(["a"]), when: new Date(0) }),
    );
    await browser.request(({ data }) => {
      const cart = data.cart as { items: { count: number }[]; tags: Set<string>; when: Date };
      assert.equal(cart, data.cart);
      cart.items[0]!.count++;
      cart.tags.add("b");
      cart.when.setTime(1);
    });
    assert.deepEqual(await browser.contents(), { cart: { items: [{ count: 2 }], tags: new Set(["a", "b"]), when: new Date(1) } }); // biome-ignore format: one line
  });

  test("an update function that throws leaves the value as it was", async () => {
    const { browser } = setUp();
    await browser.request((session) => session.set("n", 1));
    await browser.request((session) => {
      assert.throws(() => session.update("n", () => { throw new Error("no"); }), /no/); // biome-ignore format: one line
      assert.equal(session.get("n"), 1);
    });
    assert.deepEqual(await browser.contents(), { n: 1 });
  });

  test("an asynchronous update function is refused: it could not be replayed", async () => {
    const { browser } = setUp();
    await browser.request((session) => {
      assert.throws(() => session.update("n", async () => 1), UnstorableValueError);
      assert.equal(session.has("n"), false);
    });
  });

  test("a key must be a string that does not begin with a NUL", async () => {
    const { sessions } = setUp();
    const session = await sessions.open(undefined);
    for (const key of ["\0", "\0flash.x"]) {
      assert.throws(() => session.set(key, 1), UnstorableValueError);
      assert.throws(() => session.delete(key), UnstorableValueError);
      assert.throws(() => session.update(key, () => 1), UnstorableValueError);
    }
    assert.throws(() => session.set(1 as unknown as string, 1), UnstorableValueError);
    assert.deepEqual(session.commit(), []);
  });

  test("console.log shows neither the ticket nor values", async () => {
    const { browser } = setUp();
    await browser.request((session) => {
      session.set("card", "4111 1111 1111 1111");
      session.owner = "u1";
    });
    const session = await browser.open();
    for (const shown of [inspect(session), inspect(session, { showHidden: true, depth: 9 }), JSON.stringify(session)]) {
      assert.ok(!shown.includes(browser.cookie!.split("=")[1]!));
      assert.ok(!shown.includes("4111"));
    }
    assert.ok(inspect(session).includes(session.id));
    assert.notEqual(session.id, browser.cookie!.split("=")[1]!.slice(0, 24));
  });
});

describe("a flash message", () => {
  test("is read once, by the first request that asks for it, and is not among the keys", async () => {
    const { browser } = setUp();
    await browser.request((session) => {
      session.flash("notice", { text: "saved" });
      session.flash("nothing", undefined);
      assert.deepEqual(session.keys(), []);
    });
    await browser.request((session) => assert.equal(session.flash("other"), undefined));
    await browser.request((session) => {
      assert.deepEqual(session.flash("notice"), { text: "saved" });
      assert.equal(session.flash("notice"), undefined);
    });
    await browser.request((session) => assert.equal(session.flash("notice"), undefined));
    assert.deepEqual(await browser.contents(), {});
  });

  test("costs no write to ask for if there is none", async () => {
    const { browser, store } = setUp();
    await browser.request((session) => session.set("a", 1));
    store.calls.length = 0;
    await browser.request((session) => assert.equal(session.flash("notice"), undefined));
    assert.deepEqual(store.calls, ["read"]);
  });

  test("that is left and read in the same request writes nothing", async () => {
    const { sessions, store } = setUp();
    const session = await sessions.open(undefined);
    session.flash("a", 1);
    assert.equal(session.flash("a"), 1);
    assert.deepEqual(session.commit(), []);
    assert.deepEqual(store.calls, []);
  });
});

describe("a session that ended while a request ran", () => {
  const endings: [string, (browser: Browser<Data>, sessions: Sessions<Data>) => Promise<unknown>][] = [
    ["destroyed by another request", (browser) => browser.request((session) => session.destroy())],
    ["revoked", (browser, sessions) => sessions.revoke(key(browser))],
    ["regenerated by another request", (browser) => browser.request((session) => session.regenerate())],
  ];
  for (const [name, end] of endings) {
    for (const servers of [1, 2]) {
      test(`${name}${servers > 1 ? " on another server" : ""}: the commit drops its changes, reports that, and sends no cookie`, async () => {
        const { store, sessions, browser, events } = setUp();
        await browser.request((session) => session.set("a", 1));
        const slow = await browser.open();
        slow.set("a", "from the slow one");
        const other = new Browser(servers > 1 ? setUp({}, store).sessions : sessions);
        other.cookie = browser.cookie;
        const rows = store.rows.size;
        await end(other, sessions);
        const left = new Map(store.rows);

        assert.deepEqual(await browser.end(slow), []);
        assert.deepEqual(named(events, "gone"), [{ id: slow.id }]);
        assert.deepEqual(store.rows, left);
        assert.ok(left.size <= rows);
        assert.equal((await browser.open()).isNew, true);
      });
    }
  }

  test("makes save, reload and regenerate return false, and is reported once", async () => {
    for (const ask of ["save", "reload", "regenerate"] as const) {
      const { browser, events, store, sessions } = setUp();
      await browser.request((session) => session.set("a", 1));
      const slow = await browser.open();
      await sessions.revoke(key(browser));
      slow.set("a", 2);
      assert.equal(await slow[ask](), false, ask);
      assert.equal(await slow.save(), false);
      slow.set("b", 1);
      assert.equal(await slow.save(), false);
      assert.equal(await slow.regenerate(), false);
      assert.equal(await slow.reload(), false);
      store.calls.length = 0; // the request already knows
      assert.equal(await slow.regenerate(), false);
      slow.set("b", 2);
      assert.equal(await slow.save(), false);
      assert.deepEqual(await slow.commit(), []);
      assert.deepEqual(store.calls, []);
      assert.equal(named(events, "gone").length, 1, ask);
      assert.equal(store.rows.size, 0);
    }
  });

  test("can be left with destroy: the next write begins a new one", async () => {
    const { browser, sessions, store } = setUp();
    await browser.request((session) => session.set("a", 1));
    const slow = await browser.open();
    await sessions.revoke(slow.id);
    slow.set("a", 2);
    assert.equal(await slow.save(), false);
    await slow.destroy();
    slow.set("b", 1);
    assert.equal(await slow.save(), true);
    assert.equal((await browser.end(slow)).length, 1);
    assert.deepEqual(await browser.contents(), { b: 1 });
    assert.equal(store.rows.size, 1);
  });

  test("by expiry is not revived either", async (t) => {
    const tick = clock(t);
    const { browser, events, store } = setUp();
    await browser.request((session) => session.set("a", 1));
    const slow = await browser.open();
    slow.set("a", 2);
    tick(21 * MINUTE);
    assert.deepEqual(await browser.end(slow), []);
    assert.equal(named(events, "gone").length, 1);
    assert.deepEqual(store.calls.filter((call) => call === "create").length, 1);
    assert.equal((await browser.open()).isNew, true);
  });

  test("is not revived by a request that only extends it", async (t) => {
    const tick = clock(t);
    const { browser, sessions, store } = setUp();
    await browser.request((session) => session.set("a", 1));
    tick(10 * MINUTE);
    const reading = await browser.open();
    await sessions.revoke(key(browser));
    assert.deepEqual(await browser.end(reading), []);
    assert.equal(store.rows.size, 0);
    assert.equal((await browser.open()).isNew, true);
  });

  test("is not revived by a commit that was under way", async () => {
    const { browser, sessions, store } = setUp();
    await browser.request((session) => session.set("a", 1));
    const slow = await browser.open();
    slow.set("a", 2);
    let reach = () => {};
    const reached = new Promise<void>((resolve) => {
      reach = resolve;
    });
    let proceed = () => {};
    store.before = (operation) =>
      operation !== "update"
        ? undefined
        : new Promise<void>((resolve) => {
            proceed = resolve;
            reach();
          });
    const committing = slow.commit();
    await reached;
    assert.equal(await sessions.revoke(key(browser)), true);
    proceed();
    assert.deepEqual(await committing, []);
    assert.equal(store.rows.size, 0);
  });

  test("gets a new ticket with the next request's write, never the old one", async () => {
    const { browser, sessions } = setUp();
    await browser.request((session) => session.set("a", 1));
    const old = browser.cookie;
    await sessions.revoke(key(browser));
    const [cookie] = await browser.request((session) => session.set("b", 2));
    assert.ok(cookie);
    assert.notEqual(browser.cookie, old);
    assert.deepEqual(await browser.contents(), { b: 2 });
  });
});

describe("regenerate", () => {
  test("keeps data, owner and age under a new ticket and a new id, and ends the old ticket immediately", async (t) => {
    const tick = clock(t);
    const { browser, events, store } = setUp();
    await browser.request((session) => {
      session.set("cart", [1]);
      session.owner = "u1";
    });
    const before = await browser.open("readonly");
    const old = new Browser(setUp({}, store).sessions);
    old.cookie = browser.cookie;
    tick(1_000);

    const cookies = await browser.request(async (session) => {
      session.set("user", "u1");
      assert.equal(await session.regenerate(), true);
      assert.equal((await old.open()).isNew, true); // before the response is sent
      session.set("after", true);
      assert.notEqual(session.id, before.id);
    });
    assert.equal(cookies.length, 1);
    assert.notEqual(browser.cookie, old.cookie);
    const after = await browser.open();
    assert.deepEqual({ ...after.data }, { cart: [1], user: "u1", after: true });
    assert.equal(after.owner, "u1");
    assert.equal(after.createdAt, before.createdAt);
    assert.equal((await old.open()).isNew, true);
    assert.equal(store.rows.size, 1);
    assert.deepEqual(
      named(events, "end").map(({ id, reason }) => [id, reason]),
      [[before.id, "replaced"]],
    );
    assert.deepEqual(named(events, "start"), [{ id: before.id }, { id: after.id }]);
  });

  test("of a session that is not stored yet costs nothing, and changes its id", async () => {
    const { sessions, store } = setUp();
    const session = await sessions.open(undefined);
    const { id } = session;
    assert.equal(await session.regenerate(), true);
    assert.notEqual(session.id, id);
    assert.deepEqual(store.calls, []);
    session.set("a", 1);
    await session.commit();
    assert.deepEqual([...store.rows.keys()], [session.id]);
  });

  test("succeeds for exactly one of parallel calls, on one server and on several; the others send no cookie", async () => {
    for (const size of [1, 4]) {
      const store = watched();
      const servers = Array.from({ length: size }, () => setUp({}, store));
      const browser = new Browser(...servers.map(({ sessions }) => sessions));
      await browser.request((session) => session.set("a", 1));
      const requests = await Promise.all(Array.from({ length: 8 }, () => browser.open()));
      const won = await Promise.all(requests.map((session) => session.regenerate()));
      const cookies = await Promise.all(requests.map((session) => session.commit()));
      assert.equal(won.filter(Boolean).length, 1);
      assert.deepEqual(cookies.map((list) => list.length > 0), won); // biome-ignore format: one line
      assert.equal(store.rows.size, 1);
      const [cookie] = cookies.flat();
      browser.cookie = cookie!.split(";")[0];
      assert.deepEqual(await browser.contents(), { a: 1 });
    }
  });

  test("among parallel writers keeps the writes before it, and refuses those after it", async () => {
    for (let round = 0; round < 25; round++) {
      const store = watched();
      const servers = [1, 2, 3].map(() => setUp({}, store).sessions);
      const browser = new Browser(...servers);
      await browser.request((session) => session.set("n", 0));
      const writers = await Promise.all(Array.from({ length: 6 }, () => browser.open()));
      const login = await browser.open();
      let calls = 0;
      store.before = () => (++calls % 5 === round % 5 ? new Promise(setImmediate) : undefined);
      for (const writer of writers) writer.update("n", (n) => (n as number) + 1);
      login.set("user", "u1");
      const [won, ...saved] = await Promise.all([login.regenerate(), ...writers.map((writer) => writer.save())]);
      store.before = undefined;
      assert.equal(won, true);
      assert.equal(store.rows.size, 1);
      await browser.end(login);
      assert.deepEqual(await browser.contents(), { n: saved.filter(Boolean).length, user: "u1" });
    }
  });

  test("with a value that can't be stored fails, and only the old ticket works", async () => {
    const { browser, store } = setUp();
    await browser.request((session) => session.set("a", 1));
    await assert.rejects(
      browser.request((session) => {
        session.set("f", () => {});
        return session.regenerate();
      }),
      UnstorableValueError,
    );
    assert.equal(store.rows.size, 1);
    assert.deepEqual(await browser.contents(), { a: 1 });
  });

  test("during a save of the same request runs after it", async () => {
    const { browser, store } = setUp();
    await browser.request((session) => session.set("n", 0));
    const session = await browser.open();
    session.update("n", (n) => (n as number) + 1);
    const saving = session.save();
    session.update("n", (n) => (n as number) + 1);
    const regenerating = session.regenerate();
    session.update("n", (n) => (n as number) + 1);
    assert.deepEqual(await Promise.all([saving, regenerating, session.save()]), [true, true, true]);
    await browser.end(session);
    assert.equal(store.rows.size, 1);
    assert.deepEqual(await browser.contents(), { n: 3 });
  });

  test("twice in one request leaves one session", async () => {
    const { browser, store } = setUp();
    await browser.request((session) => session.set("a", 1));
    await browser.request(async (session) => {
      assert.deepEqual(await Promise.all([session.regenerate(), session.regenerate()]), [true, true]);
    });
    assert.equal(store.rows.size, 1);
    assert.deepEqual(await browser.contents(), { a: 1 });
  });
});

describe("destroy", () => {
  test("ends the session, clears the cookie, and reports the data", async () => {
    const { browser, store, events } = setUp();
    await browser.request((session) => session.set("cart", [1]));
    const { id } = await browser.open();
    const [cookie] = await browser.request((session) => session.destroy());
    assert.match(cookie!, /^__Host-sid=; .*Max-Age=0/);
    assert.equal(browser.cookie, undefined);
    assert.equal(store.rows.size, 0);
    assert.deepEqual(named(events, "end"), [{ id, reason: "destroyed", data: { cart: [1] } }]);
  });

  test("of a session that is not stored costs nothing", async () => {
    const { store, sessions } = setUp();
    const session = await sessions.open(undefined);
    session.set("a", 1);
    await session.destroy();
    assert.equal(session.has("a"), false);
    assert.deepEqual(await session.commit(), []);
    assert.deepEqual(store.calls, []);
  });

  test("is followed by a new session at the next write, with a new ticket, id and age, and no owner", async (t) => {
    const tick = clock(t);
    const { browser, store } = setUp();
    await browser.request((session) => {
      session.set("a", 1);
      session.owner = "u1";
    });
    const before = await browser.open();
    const old = browser.cookie;
    tick(MINUTE);
    const cookies = await browser.request(async (session) => {
      await session.destroy();
      assert.equal(session.isNew, true);
      session.set("b", 2);
      session.flash("notice", "logged out");
    });
    assert.equal(cookies.length, 1);
    assert.notEqual(browser.cookie, old);
    const after = await browser.open();
    assert.deepEqual({ ...after.data }, { b: 2 });
    assert.equal(after.owner, undefined);
    assert.equal(after.createdAt, before.createdAt + MINUTE);
    assert.notEqual(after.id, before.id);
    assert.equal(store.rows.size, 1);
  });

  test("leaves no data of the old session, neither to read nor to compare changes with", async () => {
    const { browser } = setUp({ initial: { cart: ["initial"] }, merge: { n: "counter" } as never });
    await browser.request((session) => Object.assign(session.data, { a: 1, cart: ["old"], n: 5, gone: 1 }));
    await browser.request(async (session) => {
      session.flash("notice", "old");
      await session.destroy();
      assert.deepEqual(session.keys(), []);
      assert.equal(session.get("a"), undefined);
      assert.deepEqual(session.data.cart, ["initial"]);
      assert.equal(session.flash("notice"), undefined);
      session.set("a", 1); // as it was
      session.update("n", (n) => ((n as number) ?? 0) + 1);
      assert.equal(session.get("n"), 1);
    });
    assert.deepEqual(await browser.contents(), { a: 1, n: 1 });
  });

  test("leaves an empty session, also after discard and reload", async () => {
    const { browser } = setUp();
    await browser.request((session) => session.set("a", 1));
    await browser.request(async (session) => {
      await session.destroy();
      session.set("b", 1);
      session.discard();
      assert.deepEqual(session.keys(), []);
      session.set("b", 1);
      assert.equal(await session.reload(), true);
      assert.deepEqual(session.keys(), []);
    });
    assert.equal(browser.cookie, undefined);
  });

  test("by two requests, and twice by one of them, is reported once", async () => {
    const { browser, events } = setUp();
    await browser.request((session) => session.set("a", 1));
    const [one, two] = [await browser.open(), await browser.open()];
    await Promise.all([one.destroy(), one.destroy(), two.destroy()]);
    assert.equal(named(events, "end").length, 1);
    assert.equal((await one.commit()).length, 1);
    assert.equal((await two.commit()).length, 1);
  });
});

describe("save, reload and discard", () => {
  test("save writes immediately, and the commit writes only later changes", async () => {
    const { browser, store } = setUp();
    await browser.request((session) => session.set("n", 1));
    const other = new Browser(setUp({}, store).sessions);
    other.cookie = browser.cookie;
    store.calls.length = 0;
    await browser.request(async (session) => {
      session.update("n", (n) => (n as number) + 1);
      assert.equal(await session.save(), true);
      assert.deepEqual(await other.contents(), { n: 2 });
      assert.equal(await session.save(), true);
    });
    assert.deepEqual(store.calls, ["read", "update", "read"]);
    assert.deepEqual(await browser.contents(), { n: 2 });
  });

  test("save of a new session sends its cookie with the response", async () => {
    const { browser, store } = setUp();
    const cookies = await browser.request(async (session) => {
      session.set("a", 1);
      assert.equal(session.isNew, true);
      await session.save();
      assert.equal(session.isNew, false);
      session.set("b", 2);
    });
    assert.equal(cookies.length, 1);
    assert.deepEqual(store.calls, ["create", "update"]);
    assert.deepEqual(await browser.contents(), { a: 1, b: 2 });
  });

  test("a change in place between save and commit is saved", async () => {
    const { browser } = setUp();
    await browser.request(async (session) => {
      const cart: string[] = ["a"];
      session.set("cart", cart);
      await session.save();
      cart.push("b");
      await session.save();
      (session.data.cart as string[]).push("c");
    });
    assert.deepEqual(await browser.contents(), { cart: ["a", "b", "c"] });
  });

  test("two concurrent saves of a new session make one session with all changes", async () => {
    const { browser, store } = setUp();
    await browser.request(async (session) => {
      session.set("a", 1);
      const first = session.save();
      session.set("b", 2);
      const second = session.save();
      session.set("c", 3);
      assert.deepEqual(await Promise.all([first, second]), [true, true]);
    });
    assert.equal(store.rows.size, 1);
    assert.deepEqual(await browser.contents(), { a: 1, b: 2, c: 3 });
  });

  test("the commit waits for a save that was not awaited", async () => {
    const { browser } = setUp();
    await browser.request((session) => {
      session.set("a", 1);
      void session.save();
      session.set("b", 2);
    });
    assert.deepEqual(await browser.contents(), { a: 1, b: 2 });
  });

  test("a change that is made while a save is under way is neither lost nor applied twice", async () => {
    const during: [string, (session: Awaited<ReturnType<Browser<Data>["open"]>>) => unknown, Data][] = [
      ["set", (session) => session.set("x", "new"), { x: "new", list: [1, 2], n: 1 }],
      ["delete", (session) => session.delete("x"), { list: [1, 2], n: 1 }],
      ["clear", (session) => session.clear(), {}],
      ["clear and set", (session) => [session.clear(), session.set("x", 1)], { x: 1 }],
      ["push", (session) => (session.data.list as number[]).push(3), { x: "saved", list: [1, 2, 3], n: 1 }],
      ["update", (session) => session.update("n", (n) => (n as number) + 1), { x: "saved", list: [1, 2], n: 2 }],
      ["discard", (session) => session.discard(), { x: "saved", list: [1, 2], n: 1 }],
      ["read after discard", (session) => [session.discard(), session.data.list], { x: "saved", list: [1, 2], n: 1 }],
    ];
    for (const [name, change, expected] of during) {
      const { browser } = setUp();
      await browser.request((session) => Object.assign(session.data, { x: "old", list: [1], n: 0 }));
      await browser.request(async (session) => {
        session.set("x", "saved");
        (session.data.list as number[]).push(2);
        session.update("n", (n) => (n as number) + 1);
        const saving = session.save();
        change(session);
        await saving;
      });
      assert.deepEqual(await browser.contents(), expected, name);
    }
  });

  test("after a save that was merged with another request's, updated keys have the merged value", async () => {
    const { browser } = setUp();
    await browser.request((session) => Object.assign(session.data, { list: ["start"], n: 1 }));
    const session = await browser.open();
    await browser.request((other) => {
      other.update("list", (list) => [...(list as string[]), "theirs"]);
      other.update("n", (n) => (n as number) + 10);
    });
    session.update("list", (list) => [...(list as string[]), "mine"]);
    session.update("n", (n) => (n as number) + 1);
    await session.save();
    assert.deepEqual(session.data.list, ["start", "theirs", "mine"]);
    assert.equal(session.data.n, 12);
    (session.data.list as string[]).push("in place");
    await browser.end(session);
    assert.deepEqual(await browser.contents(), { list: ["start", "theirs", "mine", "in place"], n: 12 });
  });

  test("a saved clear does not remove what other requests add later", async () => {
    const { browser } = setUp();
    await browser.request((session) => Object.assign(session.data, { a: 1, b: 1 }));
    await browser.request(async (session) => {
      session.clear();
      session.set("mine", 1);
      await session.save();
      await browser.request((other) => other.set("theirs", 1));
      session.set("mine", 2);
    });
    assert.deepEqual(await browser.contents(), { mine: 2, theirs: 1 });
  });

  test("a value that can't be stored, set while a save is under way, fails only the next save", async () => {
    const { browser } = setUp();
    await browser.request((session) => session.set("n", 0));
    const session = await browser.open();
    session.update("n", (n) => (n as number) + 1);
    const saving = session.save();
    session.set("n", () => {});
    assert.equal(await saving, true);
    await assert.rejects(session.save(), UnstorableValueError);
    session.delete("n");
    session.update("m", () => 1);
    await browser.end(session);
    assert.deepEqual(await browser.contents(), { m: 1 });
  });

  test("an owner that is set while a save is under way is saved by the next one", async () => {
    const { browser } = setUp();
    await browser.request((session) => session.set("a", 1));
    await browser.request(async (session) => {
      session.set("a", 2);
      const saving = session.save();
      session.owner = "u1";
      await saving;
      assert.equal(session.owner, "u1");
    });
    assert.equal((await browser.open()).owner, "u1");
  });

  test("reload drops unsaved changes, and reads what other requests wrote", async () => {
    const { browser } = setUp();
    await browser.request((session) => Object.assign(session.data, { a: 1, list: [1] }));
    const session = await browser.open();
    (session.data.list as number[]).push(99);
    session.owner = "mine";
    await browser.request((other) => {
      other.set("a", 2);
      other.owner = "theirs";
    });
    assert.equal(session.get("a"), 1);
    assert.equal(await session.reload(), true);
    assert.deepEqual({ ...session.data }, { a: 2, list: [1] });
    assert.equal(session.owner, "theirs");
    assert.deepEqual(await session.commit(), []);
    assert.deepEqual(await browser.contents(), { a: 2, list: [1] });
  });

  test("discard drops unsaved changes, and keeps saved ones", async () => {
    const { browser, store } = setUp();
    await browser.request((session) => session.set("a", 1));
    store.calls.length = 0;
    await browser.request((session) => {
      session.set("a", 2);
      session.set("b", 2);
      session.owner = "u1";
      session.discard();
      assert.deepEqual({ ...session.data }, { a: 1 });
      assert.equal(session.owner, undefined);
    });
    assert.deepEqual(store.calls, ["read"]);
    await browser.request(async (session) => {
      session.set("a", 2);
      await session.save();
      session.set("a", 3);
      session.discard();
      assert.equal(session.get("a"), 2);
    });
    assert.deepEqual(await browser.contents(), { a: 2 });
  });

  test("a failed save that was not awaited does not keep the commit from trying again", async () => {
    const { browser, store } = setUp();
    await browser.request((session) => session.set("a", 1));
    const session = await browser.open();
    session.set("a", 2);
    store.before = () => {
      throw new Error("connection reset");
    };
    const saving = session.save();
    saving.catch(() => {
      store.before = undefined;
    });
    const committing = browser.end(session);
    await assert.rejects(saving, StoreError);
    await committing;
    assert.deepEqual(await browser.contents(), { a: 2 });
  });

  test("the commit tries a failed save again", async () => {
    const { browser, store } = setUp();
    await browser.request((session) => session.set("a", 1));
    await browser.request(async (session) => {
      session.set("a", 2);
      store.before = (operation) => {
        if (operation === "update") throw new Error("connection refused");
      };
      await assert.rejects(session.save(), StoreError);
      store.before = undefined;
    });
    assert.deepEqual(await browser.contents(), { a: 2 });
  });
});

describe("after the commit", () => {
  test("every write throws an error that says what to do", async () => {
    const { browser } = setUp();
    await browser.request((session) => session.set("a", [1]));
    const session = await browser.open();
    await session.commit();
    const writes: [string, () => unknown][] = [
      ["set", () => session.set("a", 1)],
      ["data", () => { session.data.a = 1; }], // biome-ignore format: one line
      ["delete", () => session.delete("a")],
      ["delete data", () => delete session.data.a],
      ["clear", () => session.clear()],
      ["update", () => session.update("a", () => 1)],
      ["flash", () => session.flash("a", 1)],
      ["owner", () => { session.owner = "u"; }], // biome-ignore format: one line
      ["save", () => session.save()],
      ["regenerate", () => session.regenerate()],
      ["destroy", () => session.destroy()],
    ];
    for (const [name, write] of writes) {
      await assert.rejects(async () => write(), (error: unknown) => error instanceof SessionClosedError && /committed.*before the first byte/i.test(error.message), name); // biome-ignore format: one line
    }
    assert.deepEqual(session.data.a, [1]);
  });

  test("another commit returns the same cookies, also while the first is under way", async () => {
    const { sessions, store } = setUp();
    const session = await sessions.open(undefined);
    session.set("a", 1);
    const first = session.commit();
    const second = session.commit();
    const [one, two] = await Promise.all([first, second]);
    assert.equal(one.length, 1);
    assert.deepEqual(two, one);
    assert.deepEqual(await session.commit(), one);
    assert.deepEqual(store.calls, ["create"]);
  });
});

describe("a readonly request", () => {
  test("throws on every write, and writes nothing", async (t) => {
    const tick = clock(t);
    const { browser, store } = setUp({ cookie: { maxAge: "30m" } });
    await browser.request((session) => session.set("list", [1]));
    store.calls.length = 0;
    await browser.request((session) => {
      for (const write of [
        () => session.set("a", 1),
        () => session.delete("list"),
        () => session.clear(),
        () => session.update("a", () => 1),
        () => session.flash("a", 1),
        () => session.flash("a"),
        () => { session.owner = "u"; }, // biome-ignore format: one line
        () => { session.data.a = 1; }, // biome-ignore format: one line
      ]) {
        assert.throws(write, (error: unknown) => error instanceof SessionClosedError && error.message.includes("readonly")); // biome-ignore format: one line
      }
      for (const write of [() => session.save(), () => session.regenerate(), () => session.destroy()]) {
        void assert.rejects(async () => write(), SessionClosedError);
      }
    }, "readonly");
    assert.deepEqual(store.calls, ["read"]);

    tick(15 * MINUTE); // time to extend session and cookie
    store.calls.length = 0;
    await browser.request((session) => session.get("list"), "readonly");
    assert.ok(!store.calls.includes("update"), store.calls.join());
    tick(15 * MINUTE);
    assert.deepEqual(await browser.contents(), { list: [1] });
  });

  test("can be the application's default, which a route can override", async () => {
    const { sessions } = setUp({ mode: "readonly" });
    const session = await sessions.open(undefined);
    assert.throws(() => session.set("a", 1), SessionClosedError);
    const other = await sessions.open(undefined, { mode: "merge" });
    other.set("a", 1);
    assert.equal((await other.commit()).length, 1);
  });
});

describe('mode "off"', () => {
  test("makes no store call and sends no cookie; the session is empty and refuses writes", async () => {
    const { browser, store } = setUp();
    await browser.request((session) => session.set("note", "kept"));
    store.calls.length = 0;
    const { sessions } = setUp({ mode: "off", cookie: { maxAge: "1d" } }, store);
    const session = await sessions.open(browser.cookie, { mode: "merge" });
    assert.equal(session.get("note"), undefined);
    assert.equal(session.isNew, true);
    assert.throws(() => session.set("note", "x"), /turned off/);
    assert.throws(() => session.update("note", () => "x"), /turned off/);
    assert.deepEqual(await session.commit(), []);
    assert.deepEqual(store.calls, []);
  });
});
