// What is special about `Request` and `Response`.

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { session } from "../../src/adapters/fetch.ts";
import { createSessions, type Sessions, StoreError } from "../../src/index.ts";
import { SECRET, type WatchedStore, watched } from "../support/stores.ts";

let store: WatchedStore;
let sessions: Sessions<{ n: number }>;
beforeEach(() => {
  store = watched();
  sessions = createSessions({ store, secret: SECRET, cookie: { secure: false }, sweepInterval: false });
});
afterEach(() => sessions.close());

const request = () => new Request("http://localhost/");

describe("a response that can't be copied stays as it is", () => {
  test("Response.error() is a failed request: nothing is saved, and nothing is thrown", async () => {
    const handle = session(sessions)((_request, session) => {
      session.data.n = 1;
      return Response.error();
    });
    const response = await handle(request());
    assert.deepEqual([response.type, response.status], ["error", 0]);
    assert.deepEqual(store.calls, []);
  });

  test("Response.error() with saveFailed is saved", async () => {
    const handle = session(sessions, { saveFailed: true })((_request, session) => {
      session.data.n = 1;
      return Response.error();
    });
    assert.equal((await handle(request())).type, "error");
    assert.deepEqual(store.calls, ["create"]);
  });

  test("an upgrade, whose status no copy may have", async () => {
    const upgrade = new Response(null);
    Object.defineProperty(upgrade, "status", { value: 101 });
    const handle = session(sessions)((_request, session) => {
      session.data.n = 1;
      return upgrade;
    });
    const response = await handle(request());
    assert.equal(response.status, 101);
    assert.equal(response.headers.getSetCookie().length, 1);
  });

  test("one whose body is used is left to the runtime", async () => {
    const used = new Response("body");
    await used.text();
    const handle = session(sessions)((_request, session) => {
      session.data.n = 1;
      return used;
    });
    assert.equal((await handle(request())).bodyUsed, true);
  });
});

test("one response that is sent to several users keeps no cookie of theirs", async () => {
  const shared = new Response(null, { status: 204 });
  const handle = session(sessions)((_request, session) => {
    session.data.n = 1;
    return shared;
  });
  const cookies = [await handle(request()), await handle(request())].map(({ headers }) => headers.getSetCookie());
  assert.deepEqual(
    cookies.map(({ length }) => length),
    [1, 1],
  );
  assert.deepEqual([...shared.headers], []);
});

test("a handler that returns no response frees the session", async () => {
  const opened = await sessions.open(null);
  opened.data.n = 1;
  const cookie = (await opened.commit())[0]!.split(";")[0]!;
  const handle = session(sessions, { mode: "exclusive" })(() => undefined as never);
  await assert.rejects(handle(new Request("http://localhost/", { headers: { cookie } })), TypeError);
  await (await sessions.open(cookie, { mode: "exclusive" })).commit();
});

test("an error's response has the headers of every response", async () => {
  const handle = session(sessions)((_request, session) => {
    session.data.n = 1;
    const headers = new Headers({ "Access-Control-Allow-Origin": "*", "X-Request-Id": "7", ETag: '"1"' });
    headers.append("Set-Cookie", "theme=dark");
    return new Response("body", { headers });
  });
  store.before = () => {
    throw new StoreError("coatcheck: down");
  };
  const { status, headers } = await handle(request());
  assert.equal(status, 503);
  assert.deepEqual(["access-control-allow-origin", "x-request-id", "etag", "set-cookie"].map((name) => headers.get(name)), ["*", "7", null, "theme=dark"]); // biome-ignore format: one line
});

test("a request that is handled twice has its session twice", async () => {
  const handle = session(sessions)((_request, session) => {
    session.data.n = 1;
    return new Response(session.id);
  });
  const one = request();
  assert.notEqual(await (await handle(one)).text(), await (await handle(one)).text());
});

test("a session is shared also after an inner handler with other sessions", async () => {
  const others = createSessions({ cookie: { name: "other", secure: false }, secret: SECRET, sweepInterval: false });
  const inner = session(others)((_request, other) => new Response(other.id));
  const again = session(sessions)((_request, session) => new Response(session.id));
  const outer = session(sessions)(async (request, session) => {
    await inner(request);
    return new Response(String(session.id === (await (await again(request)).text())));
  });
  const response = await outer(request());
  await others.close();
  assert.equal(await response.text(), "true");
});
