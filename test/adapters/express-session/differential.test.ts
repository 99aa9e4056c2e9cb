// The same requests to express-session and to the drop-in: responses, cookies and stores must be the same.

import assert from "node:assert/strict";
import { after, before, describe, mock, test } from "node:test";
import type { SessionOptions } from "../../../src/adapters/express-session/index.ts";
import fc, { runs } from "../../support/random.ts";
import { application, dropIn, original, type Visit } from "./both.ts";
import { examples, options, visits } from "./random-visits.ts";

describe("the drop-in does what express-session does", () => {
  const start = Date.UTC(2030, 0, 1);
  before(() => mock.timers.enable({ apis: ["Date"], now: start }));
  after(() => mock.timers.reset());

  for (const [title, storeOf] of [
    ["each with its own MemoryStore", (session: typeof dropIn) => new session.MemoryStore()],
    ["both with the MemoryStore of express-session", () => new original.MemoryStore()],
  ] as const) {
    test(`in any sequence of requests, ${title}`, async () => {
      await fc.assert(
        fc.asyncProperty(options, visits, async (options, visits) => {
          const [theirs, ours] = [await seenBy(original, storeOf, options, visits), await seenBy(dropIn, storeOf, options, visits)]; // biome-ignore format: one line
          assert.deepEqual(ours, theirs);
        }),
        { examples, numRuns: runs(150) },
      );
    });
  }

  async function seenBy(
    session: typeof dropIn,
    storeOf: (session: typeof dropIn) => { sessions?: Record<string, string> },
    options: SessionOptions,
    visits: readonly Visit[],
  ): Promise<unknown[]> {
    mock.timers.setTime(start);
    let ids = 0;
    const store = storeOf(session);
    const app = await application(session, { ...options, genid: () => `id-${ids++}`, store: store as never });
    const seen: unknown[] = [];
    try {
      for (const visit of visits) {
        mock.timers.setTime(Date.now() + visit.pause);
        seen.push(await app.visit(visit));
        seen.push(Object.entries(store.sessions!).map(([id, json]) => [id, JSON.parse(json)]));
      }
    } finally {
      await app.close();
    }
    return seen;
  }
});
