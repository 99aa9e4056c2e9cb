// Tests of revision cookies: no server shows a browser an older state than it has seen.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { cached } from "../../src/compose/index.ts";
import { clearRevisionCookies, revisionCookies } from "../../src/cookies/revision-cookies.ts";
import { sessionCookie } from "../../src/cookies/session-cookie.ts";
import { type CookieOptions, createSessions, type Sessions } from "../../src/index.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { Browser } from "../support/browser.ts";
import { type Data, setUp } from "../support/set-up.ts";
import { SECRET, watched } from "../support/stores.ts";

/** Servers with caches that no notification keeps up to date, over one store whose calls are recorded. */
function farm(servers: number, { cookie }: { cookie?: CookieOptions } = {}) {
  const store = watched();
  const sessions = Array.from({ length: servers }, () =>
    createSessions<Data>({
      store: cached(store, { maxAge: "1h" }),
      secret: SECRET,
      sweepInterval: false,
      ...(cookie && { cookie }),
    }),
  ) as [Sessions<Data>, ...Sessions<Data>[]];
  return { store, sessions };
}

const views = async (sessions: Sessions<Data>, cookie: string | undefined) =>
  (await sessions.open(cookie)).get("views") as number | undefined;
const add = (session: { update: (key: "views", update: (n: unknown) => unknown) => unknown }) =>
  session.update("views", (n) => ((n as number) ?? 0) + 1);

/** A browser whose session has 1 view and is in every server's cache. */
async function visited(sessions: Sessions<Data>[]): Promise<Browser<Data>> {
  const browser = new Browser(...sessions);
  await browser.request(add);
  for (const server of sessions) assert.equal(await views(server, browser.cookie), 1);
  return browser;
}

/** Sends a request with the browser's present cookies to a server. The browser has not received the answer yet. */
async function answerOf(browser: Browser<Data>, server: Sessions<Data>): Promise<string[]> {
  const session = await server.open(browser.cookie);
  add(session as never);
  return session.commit();
}

test("hostile revision cookies make at most one Set-Cookie for each of their ten names", () => {
  const cookie = sessionCookie({ secure: false });
  const header = Array.from({ length: 600 }, (_, i) => `sid-seen${i % 10}=abcd${i}`).join("; ");
  const revisions = cookie.findRevisions(header, false);
  assert.equal(revisions.length, 600);
  assert.equal(clearRevisionCookies(cookie, false, revisions).length, 10);
  assert.ok(revisionCookies(cookie, false, revisions, "abcdefgh", 1_000_000).length <= 10);
});

describe("revision cookies", () => {
  test("let every server see what the last request wrote, and cost nothing after that", async () => {
    const { store, sessions } = farm(3);
    const [a, b] = sessions;
    const browser = await visited(sessions);
    for (let round = 2; round < 40; round++) {
      browser.keep(await answerOf(browser, sessions[round % 3]!));
      for (const server of sessions) assert.equal(await views(server, browser.cookie), round);
    }
    assert.equal(await views(a, browser.cookie), 39);
    store.calls.length = 0;
    for (const server of sessions) assert.deepEqual(await (await server.open(browser.cookie)).commit(), []);
    assert.deepEqual(store.calls, [], "a cached entry that is not older than the revision cookie is used");

    const withoutRevision = new Browser(b!);
    withoutRevision.cookie = browser.cookie!.split("; ").find((cookie) => cookie.startsWith("__Host-sid="));
    browser.keep(await answerOf(browser, a));
    assert.equal(await views(b!, withoutRevision.cookie), 39, "without the revision cookie, the cached entry is used");
  });

  test("have the session cookie's attributes, and last until the browser closes", async () => {
    const { sessions } = farm(1, { cookie: { maxAge: "30d" } });
    const browser = await visited(sessions);
    const [cookie] = await browser.request(add);
    assert.match(cookie!, /^__Host-sid-seen2=[\w-]{4}2; Path=\/; HttpOnly; Secure; SameSite=Lax$/);
    const named = farm(1, { cookie: { name: "shop", secure: false, path: "/shop", domain: "example.com" } });
    const other = await visited(named.sessions);
    const [otherCookie] = await other.request(add);
    assert.match(otherCookie!, /^shop-seen2=[\w-]{5}; Path=\/shop; HttpOnly; Domain=example.com; SameSite=Lax$/);
  });

  test("are not sent by a store without a cache, nor with the first write of a session", async () => {
    const { sessions: plain } = setUp();
    const browser = new Browser(plain);
    for (let round = 0; round < 3; round++) {
      const cookies = await browser.request(add);
      assert.ok(!cookies.some((cookie) => cookie.includes("-seen")));
    }
    const { sessions } = farm(2);
    assert.equal((await new Browser(sessions[0]).request(add)).length, 1);
  });

  test("never name an older revision, in whatever order the answers to parallel requests arrive", async () => {
    const { sessions } = farm(2);
    const [a, b] = sessions;
    for (let round = 0; round < 20; round++) {
      const browser = await visited(sessions);
      const answers: string[][] = [];
      for (let request = 0; request < 8; request++) answers.push(await answerOf(browser, a));
      // Another request leaves the last state but one in B's cache.
      const other = new Browser(b!);
      other.cookie = browser.cookie;
      other.keep(answers[6]!);
      assert.equal(await views(b!, other.cookie), 9);
      answers.push(await answerOf(browser, a));
      for (const answer of answers.sort(() => Math.random() - 0.5)) browser.keep(answer);
      assert.equal(await views(b!, browser.cookie), 10);
    }
  });

  test("are one cookie again after the next write", async () => {
    const { sessions } = farm(1);
    const [a] = sessions;
    const browser = await visited(sessions);
    const answers: string[][] = [];
    for (let request = 0; request < 4; request++) answers.push(await answerOf(browser, a));
    for (const answer of answers) browser.keep(answer);
    assert.equal(browser.cookie!.match(/-seen/g)!.length, 4);
    await browser.request(add);
    assert.equal(browser.cookie!.match(/-seen/g)!.length, 1);
  });

  test("follow what a read has seen, so that no later read is older", async () => {
    const { sessions } = farm(2);
    const [a, b] = sessions;
    const writer = await visited(sessions);
    const reader = new Browser<Data>(a);
    reader.cookie = writer.cookie!;
    await answerOf(writer, a);
    assert.equal((await reader.request(() => {})).length, 1);
    assert.equal(await views(b!, reader.cookie), 2);
  });

  test("are cleared when the session is destroyed", async () => {
    const { sessions } = farm(2);
    const browser = await visited(sessions);
    await browser.request(add);
    await browser.request(add);
    assert.match(browser.cookie!, /-seen/);
    await browser.request((session) => session.destroy());
    assert.equal(browser.cookie, undefined);
  });

  test("of another session are ignored", async () => {
    const { store, sessions } = farm(1);
    const [a] = sessions;
    const browser = await visited(sessions);
    await browser.request(add);
    const revision = browser.cookie!.split("; ").find((cookie) => cookie.includes("-seen"));
    const other = await visited(sessions);
    store.calls.length = 0;
    assert.equal(await views(a, `${other.cookie}; ${revision!.replace(/.$/, "zz")}`), 1);
    assert.deepEqual(store.calls, []);
  });

  test("that are forged cost their own browser one read, and are corrected", async () => {
    const { store, sessions } = farm(1);
    const browser = await visited(sessions);
    await browser.request(add);
    browser.cookie = browser.cookie!.replace(/(-seen2=....)2/, "$1zzzz");
    store.calls.length = 0;
    await browser.request(() => {});
    await browser.request(() => {});
    assert.deepEqual(store.calls, ["read"]);
    for (const nonsense of ["", "2", "2=", "x=abcd2", "2=abcd2222222222222222222222", '2="<>"', "=2"]) {
      assert.equal(await views(sessions[0], `${browser.cookie}; __Host-sid-seen${nonsense}`), 2);
    }
  });

  test("show every server that a session has ended", async () => {
    const { sessions } = farm(2);
    const [a, b] = sessions;
    const browser = await visited(sessions);
    browser.keep(await answerOf(browser, a));
    const cookie = browser.cookie;
    await (await a.open(cookie)).destroy();
    assert.equal(await views(b!, cookie), undefined);
  });

  test("continue from records without a revision", async () => {
    const store = watched(memory());
    const plain = createSessions<Data>({ store, secret: SECRET, sweepInterval: false });
    const withCache = () =>
      createSessions<Data>({ store: cached(store, { maxAge: "1h" }), secret: SECRET, sweepInterval: false });
    const [a, b] = [withCache(), withCache()];
    const browser = new Browser<Data>(plain);
    await browser.request(add);
    assert.equal(await views(a, browser.cookie), 1);
    assert.equal(await views(b, browser.cookie), 1);
    browser.keep(await answerOf(browser, a));
    assert.equal(await views(b, browser.cookie), 2);
    await browser.request(add);
    browser.keep(await answerOf(browser, a));
    assert.equal(await views(b, browser.cookie), 4, "a server without a cache counts the revision up, too");
  });
});

test("reload reads from the store, not from the cache", async () => {
  const { sessions } = farm(2);
  const [a, b] = sessions;
  const browser = await visited(sessions);
  const session = await b!.open(browser.cookie);
  await answerOf(browser, a);
  await session.reload();
  assert.equal(session.get("views"), 2);
});

test("changes over an old cached entry are merged into the newer state", async () => {
  const { sessions } = farm(4);
  const browser = await visited(sessions);
  await Promise.all(Array.from({ length: 100 }, (_, index) => answerOf(browser, sessions[index % 4]!)));
  await Promise.all(
    Array.from({ length: 50 }, async (_, index) => {
      const session = await sessions[index % 4]!.open(browser.cookie);
      session.set(`key ${index}`, index);
      await session.commit();
    }),
  );
  const session = await sessions[0].open(browser.cookie);
  await session.reload();
  assert.equal(session.get("views"), 101);
  assert.equal(session.keys().length, 51);
});
