// What the adapter for Next.js needs of the others. The adapter itself is tested in Next.js, by test/frameworks/next.ts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { describesBody } from "../../src/adapters/body-headers.ts";
import { session as fetchSession } from "../../src/adapters/fetch.ts";
import { nextSessions } from "../../src/adapters/next.ts";
import { createSessions, OptionError } from "../../src/index.ts";
import { SECRET, watched } from "../support/stores.ts";

test("an error of another bundle's copy of coatcheck is answered, too", async () => {
  const store = watched();
  const sessions = createSessions<{ n: number }>({ store, secret: SECRET, sweepInterval: false });
  const handle = fetchSession(sessions)((_request, session) => {
    session.data.n = 1;
    return new Response("body");
  });
  store.before = () => {
    throw Object.assign(new Error("coatcheck: the store is down"), { code: "COATCHECK_STORE", status: 503 });
  };
  const { status } = await handle(new Request("http://localhost/"));
  assert.equal(status, 503);
  await sessions.close();
});

test("an error's response does not tell Next.js to go on", () => {
  assert.equal(describesBody("x-middleware-next", "1"), true);
  assert.equal(describesBody("x-middleware-override-headers", "a"), true);
  assert.equal(describesBody("x-request-id", "7"), false);
});

test("wrong options are refused where they are given", () => {
  const { action, withSession } = nextSessions({ secret: SECRET });
  assert.throws(() => action(() => {}, { mode: "read" as never }), OptionError);
  assert.throws(() => withSession(() => new Response(), { exten: true } as never), OptionError);
});

test("the session's data is known without a cast", () => {
  const { session, action, withSession } = nextSessions(createSessions<{ cart: string[] }>({ secret: SECRET }));
  action(async (session, item: string) => {
    session.data.cart.push(item);
    // @ts-expect-error: no such key
    session.data.card = [];
  });
  withSession((_request, session) => Response.json(session.data.cart.length));
  async () => {
    const { data } = await session();
    data.cart.at(0);
    // @ts-expect-error: a Server Component does not write
    data.cart = [];
  };
});
