import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createSessions, type SessionStore, type Sessions } from "../../src/index.ts";
import { file } from "../../src/stores/file.ts";
import { memory } from "../../src/stores/memory.ts";
import { redis } from "../../src/stores/redis/index.ts";
import { type RedisServer, startRedis } from "../servers/redis.ts";
import { type App, Browser, type Data, frameworks, type Route } from "./apps.ts";

let server: RedisServer;
const folder = mkdtempSync(join(tmpdir(), "coatcheck-adapters-"));
before(async () => {
  server = await startRedis();
});
after(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

const stores: Record<string, () => SessionStore> = {
  memory: () => memory(),
  file: () => file({ path: join(folder, "sessions") }),
  redis: () => redis({ url: server.url }),
};

const route: Route = async (session, url) => {
  const key = url.searchParams.get("key") ?? "";
  switch (url.pathname) {
    case "/anonymous":
      return { body: session.isNew ? "nobody" : "somebody" };
    case "/login":
      session.data.user = "ann";
      session.owner = "ann";
      return { status: 303, headers: { Location: "/whoami" } };
    case "/whoami":
      return { body: session.data.user ?? "nobody" };
    case "/logout":
      await session.destroy();
      return { body: "bye" };
    case "/promote":
      return { body: String(await session.regenerate()) };
    case "/set":
      session.data[key as "key0"] = 1;
      return { body: "set" };
    case "/add":
      session.update("n", (n) => (n ?? 0) + 1);
      return { body: "added" };
    case "/keys":
      return { body: String(session.keys().length) };
    case "/n":
      return { body: String(session.data.n) };
    case "/slow":
      await sleep(300);
      session.data.n = 99;
      return { body: "slow" };
    case "/fail":
      session.data.n = -1;
      return { status: 500, body: "failed" };
    case "/throw":
      session.data.n = -1;
      throw new Error("the handler fails on purpose");
    case "/promote-and-fail":
      await session.regenerate();
      session.set("n", (() => {}) as never);
      return { body: "never seen" };
    case "/unstorable":
      session.set("n", (() => {}) as never);
      return { body: "never seen", headers: { "X-Leftover": "1" } };
    case "/cookies":
      session.data.n = 7;
      return { headers: { "Set-Cookie": "theme=dark", "Cache-Control": "public, max-age=60" }, body: "both" };
    case "/stream":
      session.data.n = 1;
      return {
        async *stream() {
          for (let i = 0; i < 3; i++) {
            yield `chunk ${i}\n`.repeat(10_000);
            await sleep(5);
          }
          try {
            session.data.n = 2;
          } catch (error) {
            yield String((error as Error).message);
          }
        },
      };
    default:
      return { status: 404, body: "no such page" };
  }
};

for (const [storeName, makeStore] of Object.entries(stores)) {
  for (const [frameworkName, serve] of Object.entries(frameworks)) {
    describe(`${frameworkName} with ${storeName}`, () => {
      let app: App;
      let sessions: Sessions<Data>;
      let store: ReturnType<typeof counted>;

      before(async () => {
        store = counted(makeStore());
        sessions = createSessions<Data>({
          store,
          secret: "a secret for the tests of adapters",
          cookie: { secure: "auto" },
        });
        app = await serve(sessions, route);
      });
      after(async () => {
        await app.close();
        await sessions.close();
      });

      async function loggedIn(): Promise<Browser> {
        const browser = new Browser(app.url);
        await browser.get("/login");
        return browser;
      }

      test("anonymous reads make no store call and set no cookie", async () => {
        const calls = store.calls();
        for (let i = 0; i < 100; i++) {
          const answer = await new Browser(app.url).get("/anonymous");
          assert.equal(await answer.text(), "nobody");
          assert.deepEqual(answer.setCookies, []);
        }
        assert.equal(store.calls(), calls);
      });

      test("a redirect's target sees what the redirecting request wrote", async () => {
        const browser = new Browser(app.url);
        const answer = await browser.get("/login");
        assert.equal(answer.status, 303);
        assert.equal(answer.headers.get("location"), "/whoami");
        assert.equal(answer.headers.get("cache-control"), "no-store");
        assert.match(answer.setCookies[0] ?? "", /^sid=[\w-]{40}; Path=\/; HttpOnly; SameSite=Lax$/);
        assert.equal(await browser.text("/whoami"), "ann");
      });

      test("a read-only request makes one store call and sets no cookie", async () => {
        const browser = await loggedIn();
        const calls = store.calls();
        const answer = await browser.get("/whoami");
        assert.deepEqual(answer.setCookies, []);
        assert.equal(store.calls(), calls + 1);
      });

      test("50 parallel requests that each write a key of their own keep 50 keys", async () => {
        const browser = await loggedIn();
        await Promise.all(Array.from({ length: 50 }, (_, i) => browser.text(`/set?key=key${i}`)));
        assert.equal(await browser.text("/keys"), "51");
      });

      test("100 parallel increments count to 100", async () => {
        const browser = await loggedIn();
        await Promise.all(Array.from({ length: 100 }, () => browser.text("/add")));
        assert.equal(await browser.text("/n"), "100");
      });

      test("a slow request that saves after a logout does not bring the session back", async () => {
        const browser = await loggedIn();
        const cookie = browser.cookie;
        const slow = new Browser(app.url, cookie);
        const answer = slow.get("/slow");
        await sleep(100);
        const logout = await browser.get("/logout");
        assert.match(logout.setCookies[0] ?? "", /^sid=;.*Max-Age=0/);
        assert.deepEqual((await answer).setCookies, []);
        assert.equal(await new Browser(app.url, cookie).text("/whoami"), "nobody");
      });

      test("regenerate keeps the data, and the old ticket is dead", async () => {
        const browser = await loggedIn();
        const old = browser.cookie;
        assert.equal(await browser.text("/promote"), "true");
        assert.notEqual(browser.cookie, old);
        assert.equal(await browser.text("/whoami"), "ann");
        assert.equal(await new Browser(app.url, old).text("/whoami"), "nobody");
      });

      test("a failing handler's changes are not saved", async () => {
        const browser = await loggedIn();
        assert.equal((await browser.get("/fail")).status, 500);
        assert.equal((await browser.get("/throw")).status, 500);
        assert.equal(await browser.text("/n"), "undefined");
      });

      test("a value that can't be kept answers 500 and leaves nothing behind", async () => {
        const browser = await loggedIn();
        const answer = await browser.get("/unstorable");
        assert.equal(answer.status, 500);
        assert.equal(answer.headers.get("x-leftover"), null);
        assert.doesNotMatch(await answer.text(), /never seen/);
        assert.equal(await browser.text("/whoami"), "ann");
      });

      test("a ticket that was regenerated reaches the browser even if the commit fails afterwards", async () => {
        const browser = await loggedIn();
        const answer = await browser.get("/promote-and-fail");
        assert.equal(answer.status, 500);
        assert.equal(answer.setCookies.length, 1);
        assert.equal(await browser.text("/whoami"), "ann");
      });

      test("the application's own cookies stay beside ours, and the answer is not cached", async () => {
        const answer = await new Browser(app.url).get("/cookies");
        assert.equal(answer.setCookies.length, 2);
        assert.ok(answer.setCookies.includes("theme=dark"));
        assert.ok(answer.setCookies.some((cookie) => cookie.startsWith("sid=")));
        assert.equal(answer.headers.get("cache-control"), "no-store");
      });

      test("a stream starts after the commit, arrives whole, and refuses writes after that", async () => {
        const browser = new Browser(app.url);
        const answer = await browser.get("/stream");
        assert.equal(answer.setCookies.length, 1);
        const text = await answer.text();
        assert.equal(text.match(/chunk/g)?.length, 30_000);
        assert.match(text, /already committed|is committed/);
        assert.equal(await browser.text("/n"), "1");
      });

      test("a mistyped cookie makes no store call and opens no session", async () => {
        const { cookie } = await loggedIn();
        const calls = store.calls();
        const wrong = cookie!.slice(0, -1) + (cookie!.endsWith("A") ? "B" : "A");
        assert.equal(await new Browser(app.url, wrong).text("/whoami"), "nobody");
        assert.equal(store.calls(), calls);
      });
    });
  }
}

/** A store that counts its calls. */
function counted(store: SessionStore): SessionStore & { calls(): number } {
  let calls = 0;
  const counting = <Methods extends object>(methods: Methods): Methods =>
    new Proxy(methods, {
      get(target, name) {
        if (name === "calls") return () => calls;
        const member = Reflect.get(target, name);
        if (typeof member !== "function" || name === "close" || name === "claimExpired") return member;
        return (...args: unknown[]) => {
          calls++;
          return member.apply(target, args);
        };
      },
    });
  const { atOnce } = store;
  const copy = atOnce ? Object.defineProperty({ ...store }, "atOnce", { value: counting(atOnce) }) : store;
  return counting(copy) as SessionStore & { calls(): number };
}
