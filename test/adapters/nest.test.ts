// NestJS's module and guard, as far as they run without the framework.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { SESSIONS, SessionModule, sessionMode, sessionsToken } from "../../src/adapters/nest.ts";
import { createSessions } from "../../src/index.ts";

const secret = "a secret for the tests of adapters";

describe("SessionModule", () => {
  // In an application, the package reflect-metadata defines it.
  before(() => Object.assign(Reflect, { defineMetadata: () => {} }));

  test("refuses what is wrong with the adapter's options", () => {
    assert.throws(() => SessionModule.forRoot({}, { secret } as never), /"secret"/);
    assert.throws(() => SessionModule.forRoot({}, { mode: "read" as never }), /option "mode" is "read"/);
    assert.throws(() => SessionModule.forRootAsync({ useFactory: () => ({}), mod: "none" } as never), /"mod"/);
  });

  test("exports the sessions under a token of their property", () => {
    assert.deepEqual(SessionModule.forRoot({ secret }).exports, [SESSIONS]);
    assert.deepEqual(SessionModule.forRoot({ secret }, { property: "admin" }).exports, [sessionsToken("admin")]);
    assert.notEqual(SESSIONS, sessionsToken("admin"));
  });

  for (const isOwn of [true, false]) {
    test(isOwn ? "closes the sessions that it made" : "leaves those that it was given to the application", async () => {
      const given = createSessions({ secret });
      const { providers } = SessionModule.forRoot(isOwn ? { secret } : given);
      const registration = await (providers![0]!.useFactory as () => Promise<never>)();
      const { sessions } = registration as { sessions: typeof given };
      assert.equal(sessions === given, !isOwn);
      await new SessionModule(registration).onApplicationShutdown();
      const open = sessions.open(null);
      if (isOwn) await assert.rejects(open, /close\(\)/);
      else await open;
    });
  }
});

describe("sessionMode()", () => {
  const contextOf = (request: object) => ({ switchToHttp: () => ({ getRequest: () => request }) });

  test("changes the mode of the session that is open", async () => {
    const session = await createSessions({ secret }).open(null);
    assert.equal(await sessionMode("readonly").canActivate(contextOf({ session })), true);
    assert.throws(() => session.clear(), /readonly/);
  });

  test("lets a request pass that has no session", async () => {
    assert.equal(await sessionMode("exclusive", "admin").canActivate(contextOf({})), true);
  });

  test("rejects if the mode can't be changed", async () => {
    const session = { changeMode: () => Promise.reject(new Error("held by another request")) };
    await assert.rejects(async () => sessionMode("exclusive").canActivate(contextOf({ session })), /held/);
  });

  test("refuses what is no mode", () => {
    assert.throws(() => sessionMode("read" as never), /option "mode" is "read"/);
  });
});
