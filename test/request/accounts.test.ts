// Tests of session.accounts: several accounts in one browser.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { cached } from "../../src/compose/index.ts";
import { MAX_ACCOUNTS } from "../../src/cookies/accounts-cookie.ts";
import { ticketSigner } from "../../src/cookies/ticket.ts";
import { CapabilityError, type CoatcheckError, header, type Session, SessionClosedError } from "../../src/index.ts";
import { sealedCookie } from "../../src/stores/sealed-cookie/index.ts";
import { Browser } from "../support/browser.ts";
import { serverStores } from "../support/every-store.ts";
import { SEED } from "../support/random.ts";
import { all, clock, type Data, MINUTE, named, setUp } from "../support/set-up.ts";
import { OTHER_SECRET, SECRET, watched } from "../support/stores.ts";

/** Signs in to one more account, as an application does. */
async function signIn(browser: Browser<Data>, owner: string, data: Data = {}): Promise<string> {
  await browser.request((session) => session.accounts.add());
  let id = "";
  await browser.request(async (session) => {
    session.owner = owner;
    Object.assign(session.data, data);
    await session.save();
    await session.regenerate();
    id = session.id;
  });
  return id;
}

const request = <Result>(browser: Browser<Data>, handler: (session: Session<Data>) => Result | Promise<Result>) => {
  let result: Result;
  return browser
    .request(async (session) => {
      result = await handler(session);
    })
    .then(() => result);
};
const switchTo = (browser: Browser<Data>, id: string) => request(browser, (session) => session.accounts.switchTo(id));
const end = (browser: Browser<Data>, id: string) => request(browser, (session) => session.accounts.end(id));
/** The owners of the browser's accounts, the active one in capitals. */
const owners = async (browser: Browser<Data>) =>
  (await request(browser, (session) => session.accounts.list())).map(({ owner, isActive }) =>
    isActive ? owner?.toUpperCase() : owner,
  );

for (const [name, make] of Object.entries(serverStores)) {
  describe(`on ${name}, a browser with several accounts`, () => {
    test("lists them, switches between them, and keeps the data of each", async () => {
      const { browser } = setUp({ store: make() });
      const ann = await signIn(browser, "ann", { cart: ["hat"] });
      await signIn(browser, "ben", { color: "red" });
      await signIn(browser, "cat");
      assert.deepEqual(await owners(browser), ["CAT", "ann", "ben"]);
      assert.equal(await switchTo(browser, ann), true);
      assert.deepEqual(await owners(browser), ["ANN", "ben", "cat"]);
      await browser.request((session) => {
        assert.equal(session.owner, "ann");
        assert.equal(session.id, ann);
        assert.deepEqual({ ...session.data }, { cart: ["hat"] });
        (session.data.cart as string[]).push("tie");
      });
      const list = await request(browser, (session) => session.accounts.list());
      assert.deepEqual(
        list.map(({ data }) => data),
        [{ cart: ["hat", "tie"] }, { color: "red" }, {}],
      );
    });

    test("signs out of one that is set aside, of the active one, and of all", async () => {
      const { browser } = setUp({ store: make() });
      const ids = [await signIn(browser, "ann"), await signIn(browser, "ben"), await signIn(browser, "cat")];
      assert.equal(await end(browser, ids[0]!), true);
      assert.deepEqual(await owners(browser), ["CAT", "ben"]);
      assert.equal(await end(browser, ids[0]!), false);
      // Nobody is active then.
      assert.equal(await end(browser, ids[2]!), true);
      assert.deepEqual(await owners(browser), ["ben"]);
      assert.equal(await switchTo(browser, ids[1]!), true);
      assert.deepEqual(await owners(browser), ["BEN"]);
      await signIn(browser, "dan");
      await browser.request((session) => session.accounts.endAll());
      assert.equal(browser.cookie?.includes("accounts"), undefined);
      assert.deepEqual(await owners(browser), []);
    });

    test("signs out of one that a request under way gives another ticket", async () => {
      for (const how of ["end", "endAll"] as const) {
        const { browser, sessions } = setUp({ store: make() });
        const ann = await signIn(browser, "ann");
        const running = await browser.open();
        await signIn(browser, "ben");
        await running.regenerate();
        const late = await running.commit();
        if (how === "end") assert.equal(await end(browser, ann), true);
        else await browser.request((session) => session.accounts.endAll());
        browser.keep(late);
        assert.equal((await browser.open()).isNew, true);
        assert.deepEqual(await all(sessions.list({ owner: "ann" })), []);
      }
    });

    test("goes on with another account in the request that signs out", async () => {
      const { browser } = setUp({ store: make() });
      const ann = await signIn(browser, "ann");
      await signIn(browser, "ben");
      await browser.request(async (session) => {
        await session.destroy();
        assert.equal(await session.accounts.switchTo(ann), true);
      });
      assert.deepEqual(await owners(browser), ["ANN"]);
    });

    test("forgets accounts that have ended, however they did", async (t) => {
      const tick = clock(t);
      const { browser, sessions } = setUp({ store: make() });
      const ann = await signIn(browser, "ann");
      const ben = await signIn(browser, "ben");
      await signIn(browser, "cat");
      await sessions.revoke(ben);
      assert.equal(await switchTo(browser, ben), false);
      assert.deepEqual(await owners(browser), ["CAT", "ann"]);
      // Nobody uses it: it has its own idle timeout.
      tick(15 * MINUTE);
      await owners(browser);
      tick(6 * MINUTE);
      assert.deepEqual(await owners(browser), ["CAT"]);
      assert.equal(await switchTo(browser, ann), false);
    });
  });
}

describe("session.accounts", () => {
  test("never shows or changes a key of one account in another, whatever is done (500 random steps)", async () => {
    const { browser, sessions } = setUp();
    /** What each account holds: its keys begin with its name. */
    const model = new Map<string, Data>();
    const ids = new Map<string, string>();
    let active: string | undefined;
    let count = 0;
    let state = SEED;
    const random = (below: number) => {
      state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
      return Math.floor((state / 2 ** 31) * below);
    };
    const some = () => [...model.keys()][random(model.size)];
    for (let step = 0; step < 500; step++) {
      const what = `step ${step}, SEED=${SEED}`;
      const other = some();
      const choice = random(6);
      if (choice === 0 && model.size < MAX_ACCOUNTS) {
        active = `user${++count}`;
        ids.set(active, await signIn(browser, active, { [`${active}.0`]: step }));
        model.set(active, { [`${active}.0`]: step });
      } else if (choice === 1 && other !== undefined) {
        // Also changes the account that it leaves.
        await browser.request(async (session) => {
          if (active !== undefined) session.set(`${active}.left`, step);
          assert.equal(await session.accounts.switchTo(ids.get(other)!), true, what);
        });
        if (active !== undefined) model.get(active)![`${active}.left`] = step;
        active = other;
      } else if (choice === 2 && other !== undefined && random(3) === 0) {
        assert.equal(await end(browser, ids.get(other)!), true, what);
        model.delete(other);
        if (active === other) active = undefined;
      } else if (choice === 3 && active !== undefined) {
        // A new ticket, and a switch in the same request: in either order.
        const target = some()!;
        const isFirst = random(2) === 0;
        let id = "";
        await browser.request(async (session) => {
          if (isFirst) await session.accounts.switchTo(ids.get(target)!);
          await session.regenerate();
          id = session.id;
          if (!isFirst && target !== active) await session.accounts.switchTo(ids.get(target)!);
        });
        ids.set(active, id);
        active = target;
      } else if (active !== undefined) {
        const key = `${active}.${random(4)}`;
        await browser.request((session) => session.set(key, step));
        model.get(active)![key] = step;
      }
      const list = await request(browser, (session) => session.accounts.list());
      const shown = new Map(list.map(({ owner, data }) => [owner, data]));
      assert.deepEqual(shown, new Map(model), what);
      assert.deepEqual(list.filter(({ isActive }) => isActive).map(({ owner }) => owner), active === undefined ? [] : [active], what); // biome-ignore format: one line
      if (active !== undefined) assert.deepEqual(await browser.contents(), model.get(active), what);
      assert.ok(browser.cookie === undefined || browser.cookie.length < 4096, what);
    }
    await sessions.close();
  });

  test("costs a request nothing that does not ask for it, and a switch one read", async () => {
    const store = watched();
    const { browser } = setUp({}, store);
    const ann = await signIn(browser, "ann");
    await signIn(browser, "ben");
    store.calls.length = 0;
    await browser.request((session) => session.get("cart"));
    assert.deepEqual(store.calls, ["read"]);
    store.calls.length = 0;
    await switchTo(browser, ann);
    assert.deepEqual(store.calls, ["read", "read"]);
  });

  test("asks the store for no ticket that is forged, mistyped or garbage", async () => {
    const store = watched();
    const { sessions, events } = setUp({}, store);
    const foreign = ticketSigner([OTHER_SECRET]).issue().text;
    const good = ticketSigner([SECRET]).issue().text;
    const mistyped = (good[0] === "A" ? "B" : "A") + good.slice(1);
    for (const text of [
      foreign,
      mistyped,
      "x",
      "...",
      "a".repeat(4_000),
      `${foreign}.`.repeat(90),
      `${good.slice(0, -1)}.`,
    ]) {
      const session = await sessions.open(`__Host-sid-accounts=${text}`);
      assert.deepEqual(await session.accounts.list(), []);
      assert.equal(await session.accounts.switchTo(good), false);
      assert.equal(await session.accounts.end("x"), false);
    }
    assert.deepEqual(store.calls, []);
    assert.ok(named(events, "forged").length > 0);
    // Good tickets are looked at, but not more than a browser can hold.
    const signer = ticketSigner([SECRET]);
    const many = Array.from({ length: 90 }, () => signer.issue().text).join(".");
    await (await sessions.open(`__Host-sid-accounts=${many}`)).accounts.list();
    assert.equal(store.calls.length, MAX_ACCOUNTS - 1);
  });

  test("holds ten accounts, and says what to do with an eleventh", async () => {
    const { browser } = setUp();
    for (let i = 0; i < MAX_ACCOUNTS; i++) await signIn(browser, `user${i}`, { i });
    assert.equal((await owners(browser)).length, MAX_ACCOUNTS);
    await assert.rejects(
      browser.request((session) => session.accounts.add()),
      (error: CoatcheckError) => {
        assert.equal(error.code, "COATCHECK_ACCOUNTS");
        assert.equal(error.status, 409);
        assert.match(error.message, /holds 10 accounts.*session\.accounts\.end\(id\)/);
        return true;
      },
    );
    assert.ok(browser.cookie!.length < 600, `${browser.cookie!.length} characters`);
  });

  test("keeps an account that is remembered when the browser closes, and no longer than its session", async (t) => {
    const tick = clock(t);
    const { browser } = setUp();
    await browser.request((session) => {
      session.owner = "ann";
      session.persist("30d");
    });
    const aside = await browser.request((session) => session.accounts.add());
    assert.match(aside.find((one) => one.includes("accounts"))!, /; Max-Age=2592000$/);
    await browser.request((session) => {
      session.owner = "ben";
    });
    tick(10 * MINUTE);
    const ann = (await request(browser, (session) => session.accounts.list()))[1]!.id;
    let cookies: string[] = [];
    cookies = await browser.request(async (session) => assert.equal(await session.accounts.switchTo(ann), true));
    assert.match(cookies[0]!, /^__Host-sid=[\w-]{40};.*; Max-Age=25\d+$/);
    assert.doesNotMatch(cookies[1]!, /Max-Age/, "ben's session ends with the browser");
    assert.match(cookies[2]!, /^__Host-sid-accounts-kept=;.*; Max-Age=0$/, "ann's is where it belongs");
    assert.equal(cookies.length, 3);
  });

  test("keeps no account that is not remembered beside one that is, when the browser closes", async (t) => {
    clock(t);
    const { browser } = setUp();
    for (const [owner, lifetime] of [
      ["ann", "30d"],
      ["ben", false],
      ["cat", "60d"],
      ["dan", false],
    ] as const) {
      await browser.request((session) => session.accounts.add());
      await browser.request((session) => {
        session.owner = owner;
        session.persist(lifetime);
      });
    }
    const cookies = await browser.request((session) => session.accounts.add());
    const [, brief, kept] = cookies;
    assert.match(brief!, /^__Host-sid-accounts=[\w-]{40}\.[\w-]{40};(?!.*Max-Age)/);
    assert.match(kept!, /^__Host-sid-accounts-kept=[\w-]{40}~\w+\.[\w-]{40}~\w+;.*; Max-Age=5184000$/);
    assert.deepEqual(await owners(browser), ["ben", "dan", "ann", "cat"]);
    browser.cookie = kept!.split(";")[0]!; // it closes
    assert.deepEqual(await owners(browser), ["ann", "cat"]);
    const cleared = await browser.request((session) => session.accounts.endAll());
    assert.match(cleared.join(), /^__Host-sid-accounts-kept=; [^,]*Max-Age=0$/);
    assert.equal(browser.cookie, undefined);
  });

  test("has the attributes of the session's cookie", async () => {
    const { browser } = setUp({ cookie: { name: "__Secure-shop", domain: "example.com", sameSite: "Strict" } });
    await browser.request((session) => session.set("a", 1));
    const cookies = await browser.request((session) => session.accounts.add());
    assert.deepEqual(
      cookies.map((cookie) => cookie.replace(/[\w-]{40}/, "TICKET")),
      [
        "__Secure-shop=; Path=/; HttpOnly; Domain=example.com; Secure; SameSite=Strict; Max-Age=0",
        "__Secure-shop-accounts=TICKET; Path=/; HttpOnly; Domain=example.com; Secure; SameSite=Strict",
      ],
    );
  });

  test("lists in mode readonly, and changes nothing there or after the commit", async () => {
    const { browser } = setUp();
    const ann = await signIn(browser, "ann");
    const readonly = await browser.open("readonly");
    assert.equal((await readonly.accounts.list()).length, 1);
    assert.throws(() => readonly.accounts.add(), SessionClosedError);
    await assert.rejects(readonly.accounts.end(ann), SessionClosedError);
    const committed = await browser.open();
    await committed.commit();
    await assert.rejects(committed.accounts.switchTo(ann), SessionClosedError);
    assert.deepEqual(await owners(browser), ["ANN"]);
  });

  test("needs cookies, and a server-side store", async () => {
    const sealed = await setUp({ store: sealedCookie() }).browser.open();
    assert.throws(() => sealed.accounts, CapabilityError);
    const { sessions } = setUp({ transport: header("x-session") });
    const byHeader = await sessions.open(new Request("https://localhost", { headers: { "x-session": "new" } }));
    assert.throws(() => byHeader.accounts, /lives in the browser's cookies/);
  });

  test("never goes back in time after a switch, with a cache on each server", async () => {
    const store = watched();
    const servers = [0, 1].map(() => setUp({ store: cached(store, { maxAge: "1h" }) }).sessions);
    const at = servers.map((sessions) => new Browser<Data>(sessions));
    const both = new Browser<Data>(...servers);
    const on = async <Result>(server: number, handler: (session: Session<Data>) => Result | Promise<Result>) => {
      at[server]!.cookie = both.cookie;
      const result = await request(at[server]!, handler);
      both.cookie = at[server]!.cookie;
      return result;
    };
    const ann = await signIn(both, "ann", { n: 0 });
    for (let n = 1; n <= 5; n++) {
      assert.equal(await on(0, (session) => session.get("n")), n - 1); // in its cache now
      await on(1, (session) => session.set("n", n));
      await on(1, (session) => session.accounts.add());
      await on(1, (session) => {
        session.owner = `other${n}`;
      });
      await on(1, (session) => session.accounts.switchTo(ann));
      assert.equal(await on(0, (session) => session.get("n")), n);
    }
  });

  test("keeps what a request writes to the account that it leaves", async () => {
    const { browser } = setUp();
    const ann = await signIn(browser, "ann");
    await signIn(browser, "ben");
    await browser.request(async (session) => {
      await session.accounts.switchTo(ann);
      session.set("last", "of ben");
    });
    const list = await request(browser, (session) => session.accounts.list());
    assert.deepEqual(
      list.map(({ owner, data }) => [owner, data]),
      [
        ["ann", {}],
        ["ben", { last: "of ben" }],
      ],
    );
  });

  test("opens nothing with a ticket that a renewal has replaced, and ends nothing", async (t) => {
    const tick = clock(t);
    const { browser, sessions } = setUp({ renewAfter: "7d", idleTimeout: "90d", absoluteTimeout: "365d" });
    const ann = await signIn(browser, "ann", { cart: ["hat"] });
    const stolen = browser.cookie!.replace("__Host-sid=", "__Host-sid-accounts=");
    const thief = () => Object.assign(new Browser<Data>(sessions), { cookie: stolen });
    assert.deepEqual(await owners(thief()), ["ann"]);
    tick(8 * 24 * 60 * MINUTE);
    await browser.request((session) => session.get("cart"));
    await browser.request((session) => session.get("cart")); // brings the next ticket
    tick(MINUTE);
    assert.deepEqual(await owners(thief()), []);
    assert.equal(await switchTo(thief(), ann), false);
    assert.equal(await end(thief(), ann), false);
    await thief().request((session) => session.accounts.endAll());
    assert.deepEqual(await owners(browser), ["ANN"]);
  });

  test("keeps the renewed ticket of an account that is set aside", async (t) => {
    const tick = clock(t);
    const { browser } = setUp({ renewAfter: "7d", idleTimeout: "90d", absoluteTimeout: "365d" });
    const ann = await signIn(browser, "ann");
    tick(8 * 24 * 60 * MINUTE);
    const former = browser.cookie;
    await browser.request((session) => session.get("n")); // gives it a new ticket
    assert.notEqual(browser.cookie, former);
    await browser.request((session) => session.set("n", 1)); // brings the new one
    await signIn(browser, "ben");
    tick(60 * MINUTE); // the former one is dead
    assert.equal(await switchTo(browser, ann), true);
    assert.deepEqual(await owners(browser), ["ANN", "ben"]);
    assert.equal(await request(browser, (session) => session.get("n")), 1);

    // Set aside by the response that would have renewed it.
    tick(8 * 24 * 60 * MINUTE);
    const ben = (await request(browser, (session) => session.accounts.list()))[1]!.id;
    assert.equal(await switchTo(browser, ben), true);
    assert.equal(await switchTo(browser, ann), true);
    tick(60 * MINUTE);
    assert.deepEqual(await owners(browser), ["ANN", "ben"]);
    assert.equal(await request(browser, (session) => session.get("n")), 1);
  });
});
