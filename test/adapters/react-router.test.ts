// React Router's middleware and storage, as far as they run without the framework.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type SessionContext, session, sessionContext, toSessionStorage } from "../../src/adapters/react-router.ts";
import { createSessions, type Session } from "../../src/index.ts";

interface Data {
  user: string;
  n: number;
}

const secret = "a secret for the tests of adapters";
const newSessions = () => createSessions<Data>({ secret, cookie: { secure: "auto" } });
const argumentsOf = (context: Map<object, unknown>, path = "/") => {
  const url = new URL(path, "http://localhost");
  return { request: new Request(url), url, pattern: path, params: {}, context };
};

describe("session()", () => {
  test("refuses what is wrong with its options", () => {
    assert.throws(() => session({}, { property: "user" } as never), /"property"/);
    assert.throws(() => session({}, { mode: "read" as never }), /option "mode" is "read"/);
  });

  test("puts the session where loaders find it, and commits it with the response", async () => {
    const place: SessionContext<Data> = {};
    const context = new Map<object, unknown>();
    const middleware = session(newSessions(), { context: place });
    const response = await middleware(argumentsOf(context), async () => {
      (context.get(place) as Session<Data>).data.user = "ann";
      return new Response("page");
    });
    assert.match(response.headers.get("set-cookie") ?? "", /^sid=/);
    assert.equal(context.has(sessionContext), false);
  });

  test("the second middleware of the same sessions uses the session of the first", async () => {
    const context = new Map<object, unknown>();
    const sessions = createSessions({ secret });
    const args = argumentsOf(context);
    const found: unknown[] = [];
    await session(sessions)(args, async () => {
      found.push(context.get(sessionContext));
      return session(sessions, { mode: "readonly" })(args, async () => {
        found.push(context.get(sessionContext));
        assert.throws(() => (context.get(sessionContext) as Session).set("n", 1), /readonly/);
        return session(sessions, { mode: "none" })(args, async () => {
          found.push(context.get(sessionContext));
          return new Response();
        });
      });
    });
    assert.equal(found[0], found[1]);
    assert.equal(found[2], undefined);
  });

  test("mode and extend get the page's own address", async () => {
    const seen: string[] = [];
    const by = ({ url }: { url: URL }) => void seen.push(url.pathname);
    await session(newSessions(), { mode: by, extend: by })(argumentsOf(new Map(), "/poll"), async () => new Response());
    assert.deepEqual(seen, ["/poll", "/poll"]);
  });
});

describe("toSessionStorage()", () => {
  const cookieOf = (setCookie: string) => setCookie.split(";")[0]!;

  test("refuses what is wrong with its options", () => {
    assert.throws(() => toSessionStorage(newSessions(), { secure: "auto" as never }), /"secure"/);
    assert.throws(() => toSessionStorage(newSessions(), { secret } as never), /"secret"/);
  });

  test("opens, commits and destroys", async () => {
    const { getSession, commitSession, destroySession } = toSessionStorage(newSessions(), { secure: true });
    const first = await getSession();
    assert.equal(first.id, "");
    first.set("user", "ann");
    const setCookie = await commitSession(first);
    assert.match(setCookie, /^__Host-sid=/);
    const second = await getSession(cookieOf(setCookie));
    assert.deepEqual(second.data, { user: "ann" });
    assert.notEqual(second.id, "");
    assert.match(await destroySession(second), /Max-Age=0/);
    assert.equal((await getSession(cookieOf(setCookie))).get("user"), undefined);
  });

  test("merges what sessions that were opened in parallel change", async () => {
    const { getSession, commitSession } = toSessionStorage(newSessions());
    const begun = await getSession();
    begun.set("user", "ann");
    const cookie = cookieOf(await commitSession(begun));
    const [one, other] = [await getSession(cookie), await getSession(cookie)];
    one.set("n", 1);
    other.unset("user");
    await Promise.all([commitSession(one), commitSession(other)]);
    assert.deepEqual((await getSession(cookie)).data, { n: 1 });
  });

  test("names what it can't do", async () => {
    const { getSession, commitSession } = toSessionStorage(newSessions());
    const other = await toSessionStorage(newSessions()).getSession();
    await assert.rejects(commitSession(other), /not of these sessions/);
    await assert.rejects(commitSession(await getSession(), { maxAge: 60 }), /"maxAge"/);
  });
});
