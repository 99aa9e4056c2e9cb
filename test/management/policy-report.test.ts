// Tests of policies: the timeouts that they set, and what the report says of an application.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createSessions, OptionError, type PolicyName, type SessionsOptions } from "../../src/index.ts";
import { sealedCookie } from "../../src/stores/sealed-cookie/index.ts";
import { isAlive } from "../support/login.ts";
import { clock, type Data, MINUTE, setUp } from "../support/set-up.ts";
import { SECRET } from "../support/stores.ts";

const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const expected: Readonly<Record<PolicyName, readonly [idle: number, absolute: number]>> = {
  aal1: [30 * DAY, 30 * DAY],
  aal2: [HOUR, DAY],
  aal3: [15 * MINUTE, 12 * HOUR],
  aspnet: [20 * MINUTE, 30 * DAY],
};

function reportOf(options: SessionsOptions<Data>) {
  const sessions = createSessions<Data>({ secret: SECRET, sweepInterval: false, ...options });
  return sessions.policyReport();
}

describe("a policy", () => {
  for (const [policy, [idle, absolute]] of Object.entries(expected) as [PolicyName, [number, number]][]) {
    test(`"${policy}" sets both timeouts, which the server enforces`, async (t) => {
      const tick = clock(t);
      const { browser } = setUp({ policy });
      await browser.request((session) => session.set("a", 1));
      const began = Date.now();
      for (let passed = 0; passed + idle / 2 < absolute; passed += idle / 2) {
        await browser.request((session) => assert.equal(session.isNew, false));
        tick(idle / 2);
        if (passed > 5 * idle) break;
      }
      const { isNew, expiresAt } = await browser.open();
      assert.deepEqual([isNew, expiresAt], [false, Math.min(Date.now() + idle / 2, began + absolute)]);
      tick(Math.min(idle / 2, began + absolute - Date.now()));
      assert.equal(await isAlive(browser), false);
      const { isMet, rules } = reportOf({ policy });
      assert.equal(isMet, true);
      assert.deepEqual(rules.slice(0, 2).map(({ value, limit }) => [value, limit]), [[absolute, absolute], [idle, idle]]); // biome-ignore format: one line
    });
  }

  test("goes under own values, and the report says which of them are too long", () => {
    const longer = reportOf({ policy: "aal3", idleTimeout: "1h" });
    assert.equal(longer.isMet, false);
    const failed = longer.rules.filter(({ isMet }) => !isMet);
    assert.deepEqual(failed.map(({ value, limit, source }) => [value, limit, source]), [[HOUR, 15 * MINUTE, "NIST SP 800-63B-4, 2.3.3"]]); // biome-ignore format: one line
    assert.equal(reportOf({ policy: "aal2", idleTimeout: "5m", absoluteTimeout: "8h" }).isMet, true);
    // A shorter end than the policy's idle time is an own value, too.
    assert.equal(reportOf({ policy: "aal1", absoluteTimeout: "8h" }).isMet, true);
  });

  test("has to be one of them", () => {
    assert.throws(() => createSessions({ policy: "aal4" as "aal3" }), OptionError);
    assert.throws(() => createSessions({ policy: "aal3", idleTimeout: "13h" }), OptionError);
  });

  test("bounds persist", async () => {
    const { sessions } = setUp({ policy: "aal2" });
    const session = await sessions.open(undefined);
    session.persist("24h");
    assert.throws(
      () => session.persist("25h"),
      /option "absoluteTimeout" is "25h": the policy "aal2" allows 86400000 ms/,
    );
    const { sessions: own } = setUp({ policy: "aal2", absoluteTimeout: "7d" });
    (await own.open(undefined)).persist("7d");
    const { sessions: aspnet } = setUp({ policy: "aspnet" });
    (await aspnet.open(undefined)).persist("300d");
  });
});

test("the report names what an insecure cookie and a store without logout lack", () => {
  assert.equal(reportOf({}).policy, undefined);
  assert.equal(reportOf({}).isMet, true);
  const failing = (options: SessionsOptions<Data>) => reportOf(options).rules.filter(({ isMet }) => !isMet).map(({ rule }) => rule.split(/[.:]/)[0]); // biome-ignore format: one line
  assert.deepEqual(failing({ cookie: { secure: false } }), [
    "The cookie travels over https only",
    "The cookie belongs to this host alone",
  ]);
  assert.deepEqual(failing({ cookie: { sameSite: "None" } }), ["Other sites' forms don't send the cookie"]);
  assert.deepEqual(failing({ cookie: { domain: "example.com" } }), ["The cookie belongs to this host alone"]);
  assert.deepEqual(failing({ store: sealedCookie() }), ["A logout ends the session on the server"]);
});
