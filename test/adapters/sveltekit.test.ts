// What the adapter for SvelteKit does without SvelteKit: its answers to errors, and its options.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { RequestEvent } from "@sveltejs/kit";
import { type SvelteKitOptions, session } from "../../src/adapters/sveltekit.ts";
import { createSessions, type Sessions, StoreError } from "../../src/index.ts";
import { SECRET, type WatchedStore, watched } from "../support/stores.ts";

const ADDRESS = "connect ECONNREFUSED 10.9.8.7:6379";

let store: WatchedStore;
let sessions: Sessions<{ n: number }>;
let cookie: string;

beforeEach(async () => {
  store = watched();
  sessions = createSessions({ store, secret: SECRET, cookie: { secure: false }, sweepInterval: false });
  const opened = await sessions.open(null);
  opened.data.n = 1;
  cookie = (await opened.commit())[0]!.split(";")[0]!;
});
afterEach(() => sessions.close());

function eventOf(more: Partial<RequestEvent> = {}, headers: Record<string, string> = {}): RequestEvent {
  const url = new URL("http://localhost/");
  const event: RequestEvent = {
    request: new Request(url, { headers: { cookie, ...headers } }),
    url,
    locals: {} as App.Locals,
    route: { id: "/" },
    cookies: { set: () => assert.fail("no cookie of SvelteKit's") },
    isDataRequest: false,
    isSubRequest: false,
    isRemoteRequest: false,
  };
  return { ...event, ...more };
}

function answer(event: RequestEvent, options?: SvelteKitOptions): Promise<Response> {
  return session(
    sessions,
    options,
  )({
    event,
    resolve: async ({ locals }) => {
      locals.session.set("n" as never, 2 as never);
      return new Response("never seen", { headers: { "X-Request-Id": "7", ETag: '"1"' } });
    },
  });
}

describe("a store that is down", () => {
  beforeEach(() => {
    store.before = () => {
      throw new StoreError(`coatcheck: Redis failed to read: ${ADDRESS}`);
    };
  });

  test("is a text with status 503 for a browser", async () => {
    const response = await answer(eventOf());
    assert.equal(response.status, 503);
    assert.equal(response.headers.get("retry-after"), "1");
    assert.equal(await response.text(), "Service Unavailable: try again in a moment.\n");
  });

  for (const [name, event] of [
    ["a data request", () => eventOf({ isDataRequest: true })],
    ["a remote function", () => eventOf({ isRemoteRequest: true })],
    ["use:enhance", () => eventOf({}, { accept: "application/json" })],
  ] as const) {
    test(`is JSON for ${name}`, async () => {
      const response = await answer(event());
      assert.equal(response.status, 503);
      assert.equal(response.headers.get("content-type"), "application/json");
      assert.equal(response.headers.get("retry-after"), "1");
      assert.deepEqual(await response.json(), {
        status: 503,
        message: "Service Unavailable: try again in a moment.",
      });
    });
  }

  test("is what onError makes of it, or throws", async () => {
    const response = await answer(eventOf(), { onError: ({ status }) => new Response("closed", { status }) });
    assert.equal(response.status, 503);
    assert.equal(await response.text(), "closed");
    const thrown = { status: 503, body: {} };
    const onError = () => {
      throw thrown;
    };
    await assert.rejects(answer(eventOf(), { onError }), (error) => error === thrown);
  });
});

test("a commit that fails keeps the headers that are right for every body", async () => {
  const event = eventOf();
  store.before = (method: string) => {
    if (method === "update") throw new StoreError(`coatcheck: Redis failed to write: ${ADDRESS}`);
  };
  const response = await answer(event);
  assert.equal(response.status, 503);
  assert.equal(response.headers.get("x-request-id"), "7");
  assert.equal(response.headers.get("etag"), null);
  assert.doesNotMatch(await response.text(), /never seen|10\.9\.8\.7/);
});

test("the same sessions twice are one open session, in the mode of the second", async () => {
  const event = eventOf();
  const inner = session(sessions, { mode: "readonly" });
  const before = store.calls.length;
  const response = await session(sessions)({
    event,
    resolve: (event) =>
      inner({ event, resolve: async ({ locals }) => new Response(String(locals.session.get("n" as never))) }),
  });
  assert.equal(await response.text(), "1");
  assert.equal(store.calls.length, before + 1);
  await assert.rejects(
    session(sessions)({
      event: eventOf(),
      resolve: (event) =>
        inner({
          event,
          resolve: async ({ locals }) => {
            locals.session.set("n" as never, 2 as never);
            return new Response();
          },
        }),
    }),
    /readonly/,
  );
});

test("other sessions under the same name are refused", async () => {
  const others = createSessions<object>();
  const resolve = async (event: RequestEvent) => session(others)({ event, resolve: async () => new Response() });
  await assert.rejects(
    session(sessions)({ event: eventOf(), resolve }),
    /event\.locals\.session is a session of other/,
  );
});

test("mode none has no session", async () => {
  const event = eventOf();
  await session(sessions, { mode: "none" })({ event, resolve: async () => new Response() });
  assert.equal(event.locals.session, undefined);
});

test("a misspelt option is refused", () => {
  assert.throws(() => session(sessions, { onerror: () => new Response() } as never), /did you mean "onError"/);
});
