import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { Worker } from "node:worker_threads";
import type { Deed, HandOptions } from "../fixtures/registers/hand.ts";
import { tempDir } from "../servers/process.ts";
import { staleReads } from "../support/registers.ts";

const HAND = new URL("../fixtures/registers/hand.ts", import.meta.url);
const folder = tempDir("hands");
after(() => rmSync(folder, { recursive: true, force: true }));

describe("a directory that several hands use at the same time: every read sees what was acknowledged before it", () => {
  for (const [name, hands] of [
    ["processes, as those of a cluster", [inProcess, inProcess, inProcess]],
    ["worker threads", [inThread, inThread, inThread]],
    ["processes and threads", [inProcess, inProcess, inThread, inThread]],
  ] as const) {
    test(name, async () => {
      const options: HandOptions = {
        path: join(folder, name),
        keys: ["a", "b", "c", "d"],
        milliseconds: 1_500,
        zero: String(process.hrtime.bigint()),
      };
      const done = await Promise.all(hands.map((hand) => hand(options)));
      const wrote = done.map((deeds) =>
        deeds.filter(({ does, version }) => does === "update" && version !== undefined),
      );
      for (const updates of wrote) assert.ok(updates.length > 10, "every hand got its turn");
      assert.deepEqual(staleReads(done.flat()).slice(0, 3), []);
      const values = new Map<string, string>();
      for (const { key, version, value } of done.flat()) {
        if (version === undefined) continue;
        const state = `${key} ${version}`;
        assert.equal(value, values.get(state) ?? value, "equal versions mean equal values");
        values.set(state, value!);
      }
    });
  }
});

describe("the check of what hands saw", () => {
  const read = (version: number | undefined, from: number, to: number): Deed => ({
    ...{ does: "read", key: "a", from, to },
    ...(version !== undefined && { version }),
  });
  const create: Deed = { does: "create", key: "a", from: 0, to: 1, version: 7 };
  const update: Deed = { does: "update", key: "a", from: 10, to: 20, old: 7, version: 8 };
  const end: Deed = { does: "delete", key: "a", from: 30, to: 40, old: 8 };

  test("finds a read of what an acknowledged update had replaced", () => {
    assert.deepEqual(staleReads([create, update, read(7, 15, 25), read(7, 21, 22)]), [read(7, 21, 22)]);
  });

  test("finds a read that is older than what another had seen", () => {
    assert.deepEqual(staleReads([create, update, read(8, 12, 13), read(7, 14, 15)]), [read(7, 14, 15)]);
  });

  test("finds a read of a session that had ended", () => {
    assert.deepEqual(staleReads([create, update, end, read(8, 35, 45), read(8, 41, 42)]), [read(8, 41, 42)]);
  });

  test("finds a read of nothing while the session was there", () => {
    const wrong = read(undefined, 3, 4);
    assert.deepEqual(staleReads([create, update, end, read(undefined, 0, 2), wrong, read(undefined, 35, 36)]), [wrong]);
  });
});

async function inProcess(options: HandOptions): Promise<Deed[]> {
  const child = fork(HAND, [JSON.stringify(options)], { serialization: "advanced" });
  return deedsOf(child);
}

async function inThread(options: HandOptions): Promise<Deed[]> {
  return deedsOf(new Worker(HAND, { workerData: options }));
}

/** Rejects if it ends without an answer. */
async function deedsOf(hand: ReturnType<typeof fork> | Worker): Promise<Deed[]> {
  const ended = once(hand, "exit").then(() => []);
  const [deeds] = await Promise.race([once(hand, "message"), ended]);
  await ended;
  assert.ok(deeds, "a hand ended early");
  return deeds as Deed[];
}
