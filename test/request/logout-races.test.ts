// A logout meets requests that give its session new tickets: in whatever order their store calls come, nobody stays logged in.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Session } from "../../src/index.ts";
import fc, { runs } from "../support/random.ts";
import { all, type Data, setUp } from "../support/set-up.ts";
import { watched } from "../support/stores.ts";

const logouts: Record<string, (session: Session<Data>, id: string) => Promise<unknown>> = {
  "destroy()": (session) => session.destroy(),
  "accounts.end() of the active account": (session, id) => session.accounts.end(id),
  "accounts.end() of one that is set aside": (session, id) => session.accounts.end(id),
  "accounts.endAll()": (session) => session.accounts.endAll(),
};

describe("a logout", () => {
  for (const [name, logOut] of Object.entries(logouts)) {
    const isAside = name.endsWith("set aside") || name.endsWith("endAll()");

    test(`by ${name} ends a session that is regenerated at the same moment`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.scheduler(), fc.integer({ min: 1, max: 3 }), async (scheduler, regenerations) => {
          const store = watched();
          const { browser, sessions } = setUp({}, store);
          await browser.request((session) => {
            session.owner = "ann";
          });
          const running = await Promise.all(Array.from({ length: regenerations }, () => browser.open()));
          const { id } = running[0]!;
          if (isAside) {
            await browser.request((session) => session.accounts.add());
            await browser.request((session) => {
              session.owner = "ben";
            });
          }
          const leaving = await browser.open();
          store.before = (operation) => scheduler.schedule(Promise.resolve(), operation);
          const late: string[] = [];
          const requests = Promise.all([
            logOut(leaving, id).then(() => leaving.commit()),
            ...running.map(async (session) => {
              await session.regenerate();
              late.push(...(await session.commit()));
            }),
          ]);
          await scheduler.waitFor(requests);
          store.before = undefined;
          browser.keep(late);
          assert.notEqual((await browser.open()).owner, "ann");
          assert.deepEqual(await all(sessions.list({ owner: "ann" })), []);
          await sessions.close();
        }),
        { numRuns: runs(100) },
      );
    });
  }
});
