// Clients without cookies: the ticket travels in a header.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { cached } from "../../src/compose/index.ts";
import { type HeaderTransport, header, OptionError, type SessionStore } from "../../src/index.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { sealedCookie } from "../../src/stores/sealed-cookie/index.ts";
import { type Data, named, setUp } from "../support/set-up.ts";
import { watched } from "../support/stores.ts";

const request = (headers: Record<string, string>) => new Request("https://localhost/", { headers });

/** A client that keeps what comes in the header. */
function client(sessions: ReturnType<typeof setUp>["sessions"], name: string) {
  let ticket = name === "authorization" ? "Bearer new" : "new";
  return {
    get ticket() {
      return ticket;
    },
    async send(handler: (session: Awaited<ReturnType<typeof sessions.open>>) => unknown): Promise<string[]> {
      const session = await sessions.open(request({ [name]: ticket }));
      await handler(session);
      const cookies = await session.commit();
      assert.equal(session.ticketHeader?.name, name);
      ticket = session.ticketHeader?.value ?? ticket;
      return cookies;
    },
  };
}

const stores: Record<string, () => SessionStore> = {
  memory: () => memory(),
  "a database": () => watched(),
  "cached()": () => cached(watched(), { maxAge: "1h" }),
  "sealedCookie()": () => sealedCookie(),
};

for (const [storeName, make] of Object.entries(stores)) {
  for (const name of ["x-session", "authorization"]) {
    test(`${name} on ${storeName}: begins, goes on, gets a new ticket, and ends, without a cookie`, async () => {
      const { sessions } = setUp({ store: make(), transport: header(name) });
      const app = client(sessions, name);
      const { send } = app;
      const cookies: string[] = [];
      cookies.push(...(await send((session) => session.set("user", "ann"))));
      const first = app.ticket;
      cookies.push(...(await send((session) => assert.equal(session.get("user"), "ann"))));
      cookies.push(...(await send((session) => session.regenerate())));
      cookies.push(...(await send((session) => assert.equal(session.get("user"), "ann"))));
      assert.match(first, name === "authorization" ? /^Bearer [\w-]{40,}$/ : /^[\w-]{40,}$/);
      cookies.push(...(await send((session) => session.destroy())));
      assert.deepEqual(cookies, []);
    });
  }
}

describe("beside cookies", () => {
  test("a request without the header uses its cookie, and gets no header", async () => {
    const { sessions, browser } = setUp({ transport: header("x-session") });
    await browser.request((session) => session.set("user", "ann"));
    const session = await sessions.open(request({ cookie: browser.cookie! }));
    assert.equal(session.get("user"), "ann");
    await session.regenerate();
    const cookies = await session.commit();
    assert.equal(cookies.length, 1);
    assert.deepEqual(session.ticketHeader, { name: "x-session", value: undefined });
  });

  test("a script can't have the ticket of its page's cookie in a header", async () => {
    const { sessions, browser } = setUp({ transport: header("x-session") });
    await browser.request((session) => session.set("user", "ann"));
    const session = await sessions.open(request({ cookie: browser.cookie!, "x-session": "new" }));
    assert.equal(session.get("user"), undefined);
    session.set("n", 1);
    assert.deepEqual(await session.commit(), []);
    assert.ok(!browser.cookie!.includes(session.ticketHeader!.value!));
  });

  test("an Authorization of another kind is none of ours", async () => {
    const { sessions, events, browser } = setUp({ transport: header("authorization") });
    await browser.request((session) => session.set("user", "ann"));
    for (const authorization of ["Basic YTpi", "Bearer eyJhbGciOi.eyJzdWIi.c2ln", "Bearer short"]) {
      const session = await sessions.open(request({ cookie: browser.cookie!, authorization }));
      assert.equal(session.get("user"), "ann", authorization);
    }
    assert.deepEqual(named(events, "forged"), []);
  });

  test("a forged ticket opens an empty session and asks no store", async () => {
    const { sessions, store, events } = setUp({ transport: header("x-session") });
    const session = await sessions.open(request({ "x-session": "A".repeat(40) }));
    assert.equal(session.isNew, true);
    assert.deepEqual(store.calls, []);
    assert.equal(named(events, "forged").length, 1);
  });

  test("with cookies: false no cookie is read or set", async () => {
    const { sessions, browser } = setUp();
    await browser.request((session) => session.set("user", "ann"));
    const api = setUp({ transport: header("x-session", { cookies: false }) });
    const session = await api.sessions.open(request({ cookie: browser.cookie! }));
    assert.equal(session.isNew, true);
    session.set("n", 1);
    assert.deepEqual(await session.commit(), []);
    assert.match(session.ticketHeader?.value ?? "", /^[\w-]{40}$/);
    await sessions.close();
  });
});

test("a write on one server is seen by the next request on another one, past its copies", async () => {
  const store = watched();
  const transport = header("x-session");
  const one = setUp({ store: cached(store, { maxAge: "1h" }), transport });
  const other = setUp({ store: cached(store, { maxAge: "1h" }), transport });
  const begun = await one.sessions.open(request({ "x-session": "new" }));
  begun.set("n", 0);
  await begun.commit();
  const ticket = begun.ticketHeader!.value!;
  for (let n = 1; n <= 5; n++) {
    for (const { sessions } of [one, other]) {
      const session = await sessions.open(request({ "x-session": ticket }));
      assert.equal(session.get("n"), n - 1);
      if (sessions === other.sessions) session.set("n", n);
      await session.commit();
    }
  }
});

describe("names that can't be", () => {
  for (const name of ["", "a b", "cookie", "Set-Cookie", "content-type", undefined, 7]) {
    test(String(name), () => {
      assert.throws(() => header(name as string), OptionError);
      assert.throws(() => setUp({ transport: { header: name } as HeaderTransport }), OptionError);
    });
  }
  test("a text in place of header()", () => {
    assert.throws(() => setUp({ transport: "x-session" as never }), /header\("x-session"\)/);
  });
});

test("the session's data has its type", async () => {
  const { sessions } = setUp({ transport: header("x-session") });
  const session = await sessions.open(request({}));
  const data: Data = session.data;
  assert.deepEqual({ ...data }, {});
});
