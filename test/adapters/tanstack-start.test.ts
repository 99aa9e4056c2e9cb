// The adapter for TanStack Start without TanStack Start. Inside of it, it is tested by test/frameworks/tanstack-start.ts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { dropFailed, getSession, session } from "../../src/adapters/tanstack-start.ts";
import { createSessions, OptionError } from "../../src/index.ts";
import { SECRET, watched } from "../support/stores.ts";

const request = new Request("http://localhost/");
const pathname = "/";

test("outside of a request getSession says what is missing", () => {
  assert.throws(() => getSession(), { code: "COATCHECK_PROPERTY", message: /session\(sessions\)/ });
});

test("each kind of sessions is found by itself, with its data's type", async () => {
  const users = createSessions<{ cart: string[] }>({ secret: SECRET });
  const admins = createSessions<{ root: boolean }>({ secret: SECRET, cookie: { name: "__Host-admin" } });
  await session(users)({
    request,
    pathname,
    async next({ context }) {
      context.session.data.cart = ["hat"];
      // @ts-expect-error: no such key
      context.session.data.card = [];
      const inner = await session(admins, { property: "admin" })({
        request,
        pathname,
        async next({ context }) {
          context.admin.data.root = true;
          assert.equal(getSession(users).data.cart[0], "hat");
          assert.equal(getSession(admins).data.root, true);
          return { response: new Response() };
        },
      });
      return { response: inner as Response };
    },
  });
});

test("a middleware of a server function alone is refused, and nothing is saved", async () => {
  const store = watched();
  const handle = session(createSessions<{ n: number }>({ store, secret: SECRET }));
  const next = async ({ context }: { context: { session: { data: { n: number } } } }) => {
    context.session.data.n = 1;
    return {};
  };
  await assert.rejects(async () => handle({ request, next }), { message: /requestMiddleware/ });
  assert.deepEqual(store.calls, []);
});

test("a function that throws drops the changes, unless saveFailed is true", async () => {
  for (const saveFailed of [false, true]) {
    const store = watched();
    const sessions = createSessions<{ n: number }>({ store, secret: SECRET });
    await session(sessions, { saveFailed })({
      request,
      pathname,
      async next({ context }) {
        context.session.data.n = 1;
        const call = dropFailed({ next: async () => Promise.reject(new Error("on purpose")) });
        await assert.rejects(call, { message: "on purpose" });
        return { response: new Response() };
      },
    });
    assert.deepEqual(store.calls, saveFailed ? ["create"] : []);
  }
});

test("wrong options are refused where they are given", () => {
  assert.throws(() => session(undefined, { mode: "read" as never }), OptionError);
  assert.throws(() => session(undefined, { exten: true } as never), OptionError);
});
