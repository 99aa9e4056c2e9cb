// What a response says to caches.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { createSessions, type Sessions } from "../../src/index.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { SECRET } from "../support/stores.ts";
import { type App, Browser, type Data, frameworks, type Route } from "./apps.ts";

const route: Route = (session, url) => {
  const body = "body";
  const headers: Record<string, string> = {};
  for (const name of ["Vary", "Cache-Control", "CDN-Cache-Control", "Cloudflare-CDN-Cache-Control"]) {
    const value = url.searchParams.get(name);
    if (value !== null) headers[name] = value;
  }
  if (url.pathname === "/read") void session.data.user;
  if (url.pathname === "/who") void session.isNew;
  if (url.pathname === "/write") session.data.n = (session.data.n ?? 0) + 1;
  return { headers, body };
};

for (const [name, serve] of Object.entries(frameworks)) {
  describe(`${name}: caches`, () => {
    let app: App;
    let sessions: Sessions<Data>;
    before(async () => {
      sessions = createSessions<Data>({ store: memory(), secret: SECRET, cookie: { secure: false } });
      app = await serve(sessions, route);
    });
    after(async () => {
      await app.close();
      await sessions.close();
    });

    async function headersOf(path: string, browser = new Browser(app.url)): Promise<Record<string, string | null>> {
      const { headers } = await browser.get(path);
      const names = ["vary", "cache-control", "cdn-cache-control", "surrogate-control"];
      return Object.fromEntries(names.map((name) => [name, headers.get(name)]));
    }
    const nothing = { vary: null, "cache-control": null, "cdn-cache-control": null, "surrogate-control": null };

    test("may keep what does not depend on the session", async () => {
      assert.deepEqual(await headersOf("/plain"), nothing);
      const cached = await headersOf("/plain?Vary=Origin&Cache-Control=public");
      assert.deepEqual(cached, { ...nothing, vary: "Origin", "cache-control": "public" });
    });

    test("learn that what was read of the session differs from user to user", async () => {
      for (const path of ["/read", "/who"]) {
        assert.deepEqual(await headersOf(path), { ...nothing, vary: "Cookie", "cache-control": "private" });
      }
    });

    test("go by the application's own words where it has some, and vary by the cookie in any case", async () => {
      const given = await headersOf("/read?Vary=Origin&Cache-Control=max-age%3D60");
      assert.deepEqual(given, { ...nothing, vary: "Origin, Cookie", "cache-control": "max-age=60" });
      assert.equal((await headersOf("/read?Vary=Accept,%20cookie")).vary, "Accept, cookie");
      assert.equal((await headersOf("/read?Vary=*")).vary, "*");
    });

    test("keep no response with a new ticket, nor do CDNs", async () => {
      const asked = "Cache-Control=public&CDN-Cache-Control=max-age%3D9&Cloudflare-CDN-Cache-Control=max-age%3D9";
      const browser = new Browser(app.url);
      const answer = await browser.get(`/write?Vary=Origin&${asked}`);
      assert.equal(answer.setCookies.length, 1);
      const names = ["cache-control", "cdn-cache-control", "surrogate-control", "cloudflare-cdn-cache-control"];
      for (const name of names) assert.equal(answer.headers.get(name), "no-store", name);
      assert.equal(answer.headers.get("vary"), "Origin, Cookie");
      const next = await headersOf("/write", browser);
      assert.deepEqual(next, { ...nothing, vary: "Cookie", "cache-control": "private" });
    });
  });
}
