// Tests of when a session's owner was authenticated: requireFresh for step-up, and what a reauthentication resets.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CoatcheckError, OptionError, ReauthenticationError } from "../../src/index.ts";
import { Browser } from "../support/browser.ts";
import { everyStore } from "../support/every-store.ts";
import { isAlive, login } from "../support/login.ts";
import { clock, type Data, MINUTE, setUp } from "../support/set-up.ts";

for (const [name, make] of Object.entries(everyStore)) {
  describe(`on ${name}`, () => {
    test("a login is fresh for a while; another request's too", async (t) => {
      const tick = clock(t);
      const { sessions } = setUp({ store: make() });
      const browser = new Browser<Data>(sessions);
      await browser.request((session) => {
        assert.equal(session.authenticatedAt, undefined);
        assert.throws(() => session.requireFresh("5m"), ReauthenticationError);
        session.owner = "ann";
        assert.equal(session.authenticatedAt, Date.now());
        session.requireFresh("5m");
      });
      const at = Date.now();
      tick(5 * MINUTE);
      await browser.request((session) => {
        assert.equal(session.authenticatedAt, at);
        session.requireFresh("5m");
        session.set("n", 1);
      });
      tick(1);
      await browser.request((session) => {
        assert.equal(session.isFresh("5m"), false);
        assert.throws(() => session.requireFresh("5m"), (error) => error instanceof ReauthenticationError && error.status === 401 && error.message.includes("the last 5m")); // biome-ignore format: one line
      });
    });

    test("a reauthentication resets both timeouts", async (t) => {
      const tick = clock(t);
      const { sessions } = setUp({ store: make(), idleTimeout: "15m", absoluteTimeout: "12h" });
      const browser = await login(sessions, "ann");
      async function use(minutes: number) {
        for (let minute = 0; minute < minutes; minute += 10) {
          await browser.request((session) => session.get("n"));
          tick(10 * MINUTE);
        }
      }
      await use(11 * 60);
      await browser.request((session) => {
        assert.ok(session.expiresAt <= session.createdAt + 12 * 60 * MINUTE);
        session.reauthenticated();
      });
      await use(12 * 60 - 10);
      assert.equal(await isAlive(browser), true);
      tick(11 * MINUTE);
      assert.equal(await isAlive(browser), false);
    });

    test("the same owner set again is no authentication; another one, and a logout, count", async (t) => {
      const tick = clock(t);
      const { sessions } = setUp({ store: make() });
      const browser = await login(sessions, "ann");
      const began = Date.now();
      tick(MINUTE);
      await browser.request((session) => {
        session.owner = "ann";
        session.set("n", 1);
      });
      assert.equal((await browser.open()).authenticatedAt, began);
      await browser.request((session) => {
        session.owner = "bob";
      });
      assert.equal((await browser.open()).authenticatedAt, began + MINUTE);
      await browser.request((session) => {
        session.owner = undefined;
      });
      assert.equal((await browser.open()).authenticatedAt, undefined);
    });

    test("an authentication outlives regenerate and other requests' changes", async (t) => {
      const tick = clock(t);
      const { sessions } = setUp({ store: make() });
      const browser = await login(sessions, "ann");
      tick(MINUTE);
      await browser.request((session) => session.reauthenticated());
      const at = Date.now();
      tick(MINUTE);
      await browser.request((session) => session.regenerate());
      await browser.request((session) => session.clear());
      assert.equal((await browser.open()).authenticatedAt, at);
    });
  });
}

test("a session without an owner can't be reauthenticated, and maxAge has to be a span", async () => {
  const { sessions } = setUp();
  const session = await sessions.open(undefined);
  assert.throws(() => session.reauthenticated(), (error) => error instanceof CoatcheckError && error.code === "COATCHECK_NO_OWNER"); // biome-ignore format: one line
  assert.throws(() => session.isFresh("soon" as "1m"), OptionError);
  assert.throws(() => session.requireFresh(0), OptionError);
});
