// Requests that do not extend their session's life: pages that poll.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { cached } from "../../src/compose/index.ts";
import type { Mode, SessionStore } from "../../src/index.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { sealedCookie } from "../../src/stores/sealed-cookie/index.ts";
import { clock, MINUTE, setUp } from "../support/set-up.ts";
import { watched } from "../support/stores.ts";

const stores: Record<string, () => SessionStore> = {
  memory: () => memory(),
  "a database": () => watched(),
  "cached()": () => cached(watched(), { maxAge: "1h" }),
  "sealedCookie()": () => sealedCookie(),
};

for (const [name, make] of Object.entries(stores)) {
  const modes: Mode[] = ["merge", "readonly"];
  describe(`on ${name}`, () => {
    for (const mode of modes) {
      test(`a page that polls in mode ${mode} does not keep its user logged in`, async (t) => {
        const tick = clock(t);
        const { sessions, browser } = setUp({ store: make(), cookie: { maxAge: "20m" } });
        await browser.request((session) => session.set("user", "ann"));
        const poll = async () => {
          const session = await sessions.open(browser.cookie, { mode, extend: false });
          const { isNew } = session;
          assert.deepEqual(await session.commit(), []);
          return !isNew;
        };
        for (let minute = 1; minute < 20; minute++) {
          tick(MINUTE);
          assert.equal(await poll(), true, `minute ${minute}`);
        }
        tick(1.1 * MINUTE);
        assert.equal(await poll(), false);
      });
    }

    test("a request that changes the session extends it", async (t) => {
      const tick = clock(t);
      const { sessions, browser } = setUp({ store: make() });
      await browser.request((session) => session.set("n", 0));
      for (let n = 1; n <= 4; n++) {
        tick(15 * MINUTE);
        const session = await sessions.open(browser.cookie, { extend: false });
        assert.equal(session.get("n"), n - 1);
        session.set("n", n);
        browser.keep(await session.commit());
      }
    });

    test("a click beside a poll counts", async (t) => {
      const tick = clock(t);
      const { sessions, browser } = setUp({ store: make() });
      await browser.request((session) => session.set("user", "ann"));
      tick(19 * MINUTE);
      const poll = await sessions.open(browser.cookie, { extend: false });
      await browser.request((session) => assert.equal(session.get("user"), "ann"));
      browser.keep(await poll.commit());
      tick(15 * MINUTE);
      assert.deepEqual(await browser.contents(), { user: "ann" });
    });
  });
}
