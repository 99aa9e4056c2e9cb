// Tests of the event lastWriterWins.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import { createSessions } from "../../src/index.ts";
import { fromExpressStore } from "../../src/stores/express-session/from-express-store.ts";
import { SECRET } from "../support/stores.ts";

const { MemoryStore } = createRequire(import.meta.url)("express-session") as {
  MemoryStore: new () => Parameters<typeof fromExpressStore>[0];
};

test("a change written to a store without compare-and-swap is reported", async () => {
  const sessions = createSessions<{ n: number }>({ store: fromExpressStore(new MemoryStore()), secret: SECRET });
  const reported: string[] = [];
  sessions.on("lastWriterWins", ({ id }) => reported.push(id));

  const first = await sessions.open(null);
  first.data.n = 1;
  const [cookie] = await first.commit();
  assert.deepEqual(reported, []);

  const second = await sessions.open(cookie!.split(";")[0]);
  second.data.n++;
  await second.commit();
  assert.deepEqual(reported, [second.id]);
  await sessions.close();
});
