// Tests of the options of createSessions: secrets, and invalid values.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { describe, test } from "node:test";
import { createSessions, OptionError, type SessionsOptions, UnknownSecretError } from "../src/index.ts";
import { memory } from "../src/stores/memory/index.ts";
import { Browser } from "./support/browser.ts";
import { isAlive, login } from "./support/login.ts";
import { type Data, named, setUp } from "./support/set-up.ts";
import { OTHER_SECRET, SECRET, watched } from "./support/stores.ts";

describe("secrets", () => {
  const refused = (options: SessionsOptions<Data>, ...parts: (string | RegExp)[]) =>
    assert.throws(
      () => createSessions<Data>({ sweepInterval: false, ...options }),
      (error: unknown) => {
        assert.ok(error instanceof OptionError, String(error));
        for (const part of parts) assert.match(error.message, typeof part === "string" ? new RegExp(part) : part);
        return true;
      },
    );

  test("are required by a shared store: the error gives a working command that makes one", async () => {
    refused({ store: watched() }, '"secret"', /node -e "/);
    assert.throws(
      () => createSessions({ store: watched() }),
      (error: unknown) => {
        const code = /node -e "(.*)"/.exec((error as Error).message)![1]!;
        const made = execFileSync(process.execPath, ["-e", code], { encoding: "utf8" }).trim();
        createSessions({ store: watched(), secret: made });
        return true;
      },
    );
  });

  test("under 32 characters, empty lists and other types are refused, without being printed", () => {
    for (const secret of ["", "x".repeat(31), [], [SECRET, "short secret"], 5, { a: 1 }, [5]]) {
      refused({ store: watched(), secret: secret as string }, '"secret"', "node -e");
    }
    assert.throws(
      () => createSessions({ secret: "tell-nobody" }),
      (error: unknown) => error instanceof OptionError && !error.message.includes("tell-nobody") && error.message.includes("11"), // biome-ignore format: one line
    );
    createSessions({ store: watched(), secret: "x".repeat(32) });
  });

  test("may be left out with an in-process store: each process then makes its own, with a warning", async () => {
    const warned = new Promise<Error & { code?: string }>((resolve) => process.once("warning", resolve));
    const store = memory();
    const [one, two] = [createSessions<Data>({ store }), createSessions<Data>({ store })];
    assert.equal((await warned).code, "COATCHECK_RANDOM_SECRET");
    const browser = await login(one, "u1", { a: 1 });
    assert.equal(await isAlive(browser), true);
    assert.equal((await two.open(browser.cookie)).isNew, true);
  });

  test("rotate: old tickets and records open, and the next write seals records under the first secret", async () => {
    const store = watched();
    const { browser } = setUp({}, store);
    await browser.request((session) => session.set("a", 1));
    const rotated = new Browser(setUp({ secret: [OTHER_SECRET, SECRET] }, store).sessions);
    rotated.cookie = browser.cookie;
    await rotated.request((session) => session.set("b", 2));
    assert.deepEqual(await rotated.contents(), { a: 1, b: 2 });
    // The record is under the new secret now. regenerate moves the ticket there, too.
    const old = setUp({}, store);
    old.browser.cookie = browser.cookie;
    await assert.rejects(old.browser.open(), UnknownSecretError);
    assert.deepEqual(named(old.events, "unreadable"), []);
    await rotated.request((session) => session.regenerate());
    const fresh = new Browser(setUp({ secret: OTHER_SECRET }, store).sessions);
    fresh.cookie = rotated.cookie;
    assert.deepEqual(await fresh.contents(), { a: 1, b: 2 });
  });
});

describe("options", () => {
  const wrong: [SessionsOptions<Data>, ...string[]][] = [
    [{ idleTimeout: "20 minutes" as "20m" }, '"idleTimeout"', '"20 minutes"', '"20m"'],
    [{ idleTimeout: 0 }, '"idleTimeout"', "0"],
    [{ absoluteTimeout: Number.NaN }, '"absoluteTimeout"', "NaN"],
    [{ idleTimeout: "2h", absoluteTimeout: "1h" }, '"idleTimeout"', '"2h"', "absoluteTimeout (1h)"],
    [{ idleTimeout: "60d" }, '"idleTimeout"', "absoluteTimeout (30d)"],
    [{ storeTimeout: -1 }, '"storeTimeout"', "-1"],
    [{ sweepInterval: "x" as "1s" }, '"sweepInterval"', '"x"'],
    [{ maxSize: 0 }, '"maxSize"', "0"],
    [{ maxSize: 1.5 }, '"maxSize"', "1.5"],
    [{ mode: "write" as "merge" }, '"mode"', '"write"', '"merge"'],
    [{ encryption: "aes" as "server" }, '"encryption"', '"aes"', '"server"'],
    [{ onStoreError: "ignore" as "fail" }, '"onStoreError"', '"ignore"', '"anonymous"'],
    [{ merge: { cart: "concat" } as never }, '"merge.cart"', '"concat"', '"append"'],
    [{ initial: { socket: () => {} } }, '"initial.socket"', "a function"],
    [{ initial: { deep: { when: [new (class Money {})()] } } }, '"initial.deep"', "Money"],
    [{ cookie: { name: "a b" } }, '"cookie.name"', '"a b"'],
  ];
  for (const [options, ...parts] of wrong) {
    test(`${Object.keys(options)} ${parts[1] ?? ""} is refused with an error that names option, value and fix`, () => {
      assert.throws(
        () => createSessions<Data>({ secret: SECRET, ...options }),
        (error: unknown) => {
          assert.ok(error instanceof OptionError, String(error));
          for (const part of parts) assert.ok(error.message.includes(part), `${error.message} lacks ${part}`);
          return true;
        },
      );
    });
  }

  test("of open: an unknown mode is refused, not taken for another", async () => {
    const { sessions } = setUp();
    await assert.rejects(sessions.open(undefined, { mode: "write" as "merge" }), /"mode" is "write"/);
  });
});

describe("names of options", () => {
  /** What is wrong with the options, in any type. */
  function problems(options: unknown): readonly string[] {
    try {
      createSessions<Data>(options as SessionsOptions<Data>);
    } catch (error) {
      assert.ok(error instanceof OptionError, String(error));
      for (const problem of error.problems) assert.ok(error.message.includes(problem));
      return error.problems;
    }
    return [];
  }
  const given = { store: watched(), secret: SECRET };

  const expectations: [what: string, options: object, ...problems: string[]][] = [
    ["a capital letter", { idletimeout: "1h" }, 'option "idletimeout" of createSessions() is unknown: did you mean "idleTimeout"?'], // biome-ignore format: one line
    ["a letter", { absoluteTimout: "1h" }, 'option "absoluteTimout" of createSessions() is unknown: did you mean "absoluteTimeout"?'], // biome-ignore format: one line
    ["a name in cookie", { cookie: { samesite: "Lax" } }, 'option "cookie.samesite" of createSessions() is unknown: did you mean "sameSite"?'], // biome-ignore format: one line
    ["a name in exclusive", { exclusive: { maxwait: 1 } }, 'option "exclusive.maxwait" of createSessions() is unknown: did you mean "maxWait"?'], // biome-ignore format: one line
    ["a name in compress", { compress: { treshold: 1 } }, 'option "compress.treshold" of createSessions() is unknown: did you mean "threshold"?'], // biome-ignore format: one line
    ["a name that no other is similar to", { cookie: { colour: 1 } }, 'option "cookie.colour" of createSessions() is unknown: expected one of name, secure, sameSite, path, domain, maxAge, partitioned.'], // biome-ignore format: one line
    ["a name without a value", { cokie: undefined }, 'option "cokie" of createSessions() is unknown: did you mean "cookie"?'], // biome-ignore format: one line
    ["a text for an object", { cookie: "sid" }, 'option "cookie" is a string: give an object, such as { name: … }.'], // biome-ignore format: one line
    ["null for an object", { exclusive: null }, 'option "exclusive" is null: give an object, such as { lease: … }.'], // biome-ignore format: one line
    [
      "several names and values",
      {
        idletimeout: "1h",
        cookie: { samesite: "Lax", path: "x" },
        maxSize: -1,
        mode: "Merge",
        exclusive: { lease: 1 },
      },
      'option "idletimeout" of createSessions() is unknown: did you mean "idleTimeout"?',
      'option "cookie.samesite" of createSessions() is unknown: did you mean "sameSite"?',
      'option "mode" is "Merge": use "merge", "exclusive", "readonly", "off".',
      'option "maxSize" is -1: give a number of bytes.',
      'option "cookie.path" is "x": give a path that starts with "/".',
      'option "exclusive.lease" is 1: give a span from "1s" to "24d"; "10s" is usual.',
    ],
  ];
  for (const [what, options, ...expected] of expectations) {
    test(`${what}: misspelt, it is an error that says what was meant`, () => {
      assert.deepEqual(problems({ ...given, ...options }), expected);
    });
  }

  test("of other session packages get the name that they have here, or the reason why none is needed", () => {
    const others = {
      // express-session
      resave: false,
      saveUninitialized: true,
      rolling: true,
      unset: "destroy",
      proxy: true,
      genid: () => "x",
      name: "sid",
      // cookie-session, iron-session, session.json
      keys: ["k"],
      maxAge: 1000,
      password: "x",
      ttl: 60,
      cookieName: "sid",
      timeout: 20,
    };
    const found = problems({ ...given, ...others, cookie: { httpOnly: true, signed: true, expires: new Date(0) } });
    assert.equal(found.length, Object.keys(others).length + 3);
    for (const problem of found) assert.match(problem, /is unknown: (leave it out: |write )/);
    assert.match(found[0]!, /"resave" of createSessions\(\) is unknown: leave it out: a session is stored only if/);
  });

  test("are taken if they are right, all of them, and with the value undefined", () => {
    const all = {
      ...given,
      application: "shop",
      idleTimeout: "1h",
      absoluteTimeout: undefined,
      cookie: { name: "s", secure: true, sameSite: "Lax", path: "/", domain: undefined, maxAge: 1, partitioned: false },
      encryption: "server",
      compress: { threshold: 1, algorithm: "gzip" },
      mode: "merge",
      exclusive: { lease: "2s", maxHold: 1, maxWait: 1, maxQueue: 1 },
      merge: {},
      initial: {},
      maxSize: 1,
      storeTimeout: 1,
      onStoreError: "fail",
      sweepInterval: false,
    };
    assert.deepEqual(problems(all), []);
  });

  test("that are no options: a text, a list or a store itself in their place", () => {
    assert.deepEqual(problems(SECRET), ["the options of createSessions() are a string: give an object, such as { store: … }."]); // biome-ignore format: one line
    assert.match(problems(null).join(), /the options of createSessions\(\) are null: give an object/);
    assert.match(problems(watched()).join(), /"read" of createSessions\(\) is unknown: a store belongs into store/);
  });
});

describe("a value that is no store", () => {
  const noStores: [what: string, store: unknown, fix: RegExp][] = [
    ["a name", "redis", /"store" is "redis": give a store, such as redis\(\{ url/],
    ["an address", "redis://:sekret@localhost", /"store" is \(not shown\): give a store/],
    ["a function", memory, /"store" is a function: call it/],
    ["a promise", Promise.resolve(memory()), /it is a promise: await it/],
    [
      "a client of Redis",
      { sendCommand() {}, get() {}, set() {}, destroy() {} },
      /a client of Redis: give redis\(\{ client \}\)/,
    ],
    ["a store of express-session", { get() {}, set() {}, destroy() {} }, /give fromExpressStore\(store\)/],
    ["a storage of unstorage", { getItem() {}, setItem() {} }, /give fromUnstorage\(storage\)/],
    ["sessions", createSessions({ store: watched(), secret: SECRET }), /made by createSessions\(\): give their store/],
    ["a part of a store", { read() {} }, /it has no create\(\): give a store/],
    ["null", null, /"store" is null: give a store/],
  ];
  for (const [what, store, fix] of noStores) {
    test(`${what} is refused with the fix`, () => {
      assert.throws(() => createSessions({ store: store as never, secret: SECRET }), { code: "COATCHECK_OPTION", message: fix }); // biome-ignore format: one line
    });
  }
});
