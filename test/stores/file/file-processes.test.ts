// The file store, used by several processes and threads concurrently.

import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { Worker } from "node:worker_threads";
import type { Operation, ProcessOptions } from "../../fixtures/registers/file-process.ts";
import { tempDir } from "../../servers/process.ts";
import { staleReads } from "../../support/registers.ts";

const PROGRAM = new URL("../../fixtures/registers/file-process.ts", import.meta.url);
const folder = tempDir("file-processes");
after(() => rmSync(folder, { recursive: true, force: true }));

describe("concurrent processes: every read sees the changes that were acknowledged before it", () => {
  for (const [name, starts] of [
    ["processes, as in a cluster", [inProcess, inProcess, inProcess]],
    ["worker threads", [inThread, inThread, inThread]],
    ["processes and threads", [inProcess, inProcess, inThread, inThread]],
  ] as const) {
    test(name, async () => {
      const options: ProcessOptions = {
        path: join(folder, name),
        keys: ["a", "b", "c", "d"],
        durationMs: 1_500,
        epoch: String(process.hrtime.bigint()),
      };
      const histories = await Promise.all(starts.map((start) => start(options)));
      for (const history of histories) {
        const updates = history.filter(({ method, version }) => method === "update" && version !== undefined);
        assert.ok(updates.length > 10, "every process gets the write lock");
      }
      assert.deepEqual(staleReads(histories.flat()).slice(0, 3), []);
      const values = new Map<string, string>();
      for (const { key, version, value } of histories.flat()) {
        if (version === undefined) continue;
        const state = `${key} ${version}`;
        assert.equal(value, values.get(state) ?? value, "equal versions mean equal values");
        values.set(state, value!);
      }
    });
  }
});

describe("the check for stale reads", () => {
  const read = (version: number | undefined, from: number, to: number): Operation => ({
    ...{ method: "read", key: "a", from, to },
    ...(version !== undefined && { version }),
  });
  const create: Operation = { method: "create", key: "a", from: 0, to: 1, version: 7 };
  const update: Operation = { method: "update", key: "a", from: 10, to: 20, ifVersion: 7, version: 8 };
  const end: Operation = { method: "delete", key: "a", from: 30, to: 40, ifVersion: 8 };

  test("finds a read of a state that an acknowledged update had replaced", () => {
    assert.deepEqual(staleReads([create, update, read(7, 15, 25), read(7, 21, 22)]), [read(7, 21, 22)]);
  });

  test("finds a read of an older state than an earlier read found", () => {
    assert.deepEqual(staleReads([create, update, read(8, 12, 13), read(7, 14, 15)]), [read(7, 14, 15)]);
  });

  test("finds a read of a session that was deleted", () => {
    assert.deepEqual(staleReads([create, update, end, read(8, 35, 45), read(8, 41, 42)]), [read(8, 41, 42)]);
  });

  test("finds a read that misses a session", () => {
    const wrong = read(undefined, 3, 4);
    assert.deepEqual(staleReads([create, update, end, read(undefined, 0, 2), wrong, read(undefined, 35, 36)]), [wrong]);
  });
});

async function inProcess(options: ProcessOptions): Promise<Operation[]> {
  const child = fork(PROGRAM, [JSON.stringify(options)], { serialization: "advanced" });
  return operationsOf(child);
}

async function inThread(options: ProcessOptions): Promise<Operation[]> {
  return operationsOf(new Worker(PROGRAM, { workerData: options }));
}

/** Rejects if the process or thread ends without sending its operations. */
async function operationsOf(child: ReturnType<typeof fork> | Worker): Promise<Operation[]> {
  const ended = once(child, "exit").then(() => []);
  const [operations] = await Promise.race([once(child, "message"), ended]);
  await ended;
  assert.ok(operations, "a process ended early");
  return operations as Operation[];
}
