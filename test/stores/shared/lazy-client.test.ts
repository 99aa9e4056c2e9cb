// A client that is opened on first use, and its package, which is loaded before.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { StoreError } from "../../../src/errors.ts";
import { createLazyClient, preload } from "../../../src/stores/shared/lazy-client.ts";

/** A client that records what happens to it. */
function recorded(fail: (attempt: number) => boolean = () => false) {
  const events: string[] = [];
  let attempts = 0;
  const client = createLazyClient(
    async () => {
      const attempt = ++attempts;
      events.push(`open ${attempt}`);
      await sleep(5);
      if (fail(attempt)) throw new Error(`attempt ${attempt}`);
      return { attempt };
    },
    async ({ attempt }) => {
      await sleep(5);
      events.push(`shut ${attempt}`);
    },
  );
  return { client, events };
}

describe("a lazy client", () => {
  test("is opened once by concurrent calls, and again after a failure", async () => {
    const { client, events } = recorded((attempt) => attempt === 1);
    await Promise.all([assert.rejects(client(), /attempt 1/), assert.rejects(client(), /attempt 1/)]);
    const [one, other] = await Promise.all([client(), client()]);
    assert.equal(one, other);
    await client.close();
    assert.deepEqual(events, ["open 1", "open 2", "shut 2"]);
  });

  test("that is discarded is closed before the next one is opened, and once, whoever discards it", async () => {
    const { client, events } = recorded();
    const first = await client();
    client.discard(first);
    client.discard(first);
    const second = await client();
    client.discard(first);
    assert.equal(await client(), second);
    await client.close();
    client.discard(second);
    assert.deepEqual(events, ["open 1", "shut 1", "open 2", "shut 2"]);
    await assert.rejects(client(), (error: StoreError) => error instanceof StoreError && error.applied === false);
  });

  test("that is discarded last is closed before close() resolves", async () => {
    const { client, events } = recorded();
    client.discard(await client());
    await client.close();
    assert.deepEqual(events, ["open 1", "shut 1"]);
  });

  test("that is being opened is closed by close()", async () => {
    const { client, events } = recorded();
    const opening = client();
    await client.close();
    await opening;
    assert.deepEqual(events, ["open 1", "shut 1"]);
  });
});

test("a package is loaded once before its use, and again after a failure", async () => {
  let loads = 0;
  const get = preload(async () => {
    if (++loads === 1) throw new Error("missing");
    return loads;
  });
  assert.equal(loads, 1);
  await sleep(5); // an unhandled rejection would end the process
  assert.equal(await get(), 2);
  assert.equal(await get(), 2);
});

test("a package that can't be loaded is an error of each use", async () => {
  const get = preload(() => Promise.reject(new Error("missing")));
  await assert.rejects(get, /missing/);
  await assert.rejects(get, /missing/);
});
