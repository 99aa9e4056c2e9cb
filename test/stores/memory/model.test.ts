// The memory store compared with a simple model.

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { SessionChange } from "../../../src/store.ts";
import { type MemoryOptions, memory } from "../../../src/stores/memory/index.ts";
import fc, { runs } from "../../support/random.ts";

/** A model of the memory store: a Map in the order of last use. */
class Model {
  readonly sessions = new Map<
    string,
    { value: Buffer; expiresAt: number; owner: string | undefined; version: number }
  >();
  readonly changes: SessionChange[] = [];
  readonly #maxSessions: number;
  readonly #maxBytes: number;

  constructor({ maxSessions = Infinity, maxBytes = Infinity }: MemoryOptions) {
    this.#maxSessions = maxSessions;
    this.#maxBytes = maxBytes;
  }

  live(key: string) {
    const session = this.sessions.get(key);
    return session !== undefined && session.expiresAt > Date.now() ? session : undefined;
  }

  use(key: string): void {
    const session = this.sessions.get(key)!;
    this.sessions.delete(key);
    this.sessions.set(key, session);
  }

  remove(key: string): void {
    this.sessions.delete(key);
    this.changes.push({ key, type: "delete" });
  }

  enforceLimits(): void {
    const bytes = () => [...this.sessions.values()].reduce((sum, { value }) => sum + value.length, 0);
    while (this.sessions.size > 1 && (this.sessions.size > this.#maxSessions || bytes() > this.#maxBytes)) {
      this.remove(this.sessions.keys().next().value!);
    }
  }
}

const LONG = "k".repeat(5_000);
const KEYS = [
  ...Array.from({ length: 8 }, (_, index) => Buffer.alloc(18, index).toString("base64url")),
  ...[
    "",
    "a",
    "exists",
    "é",
    "Ā",
    "\ud800",
    "\udc00",
    "😀 key",
    LONG,
    `${LONG}!`,
    "x".repeat(24),
    `${"x".repeat(23)}!`,
  ],
];
const OWNERS = [undefined, undefined, "ann", "bob", "Ārp", "\ud800", `${LONG} of ann`];

const key = fc.constantFrom(...KEYS);
const size = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 0, max: 400 }) },
  { weight: 2, arbitrary: fc.integer({ min: 3_900, max: 4_200 }) },
  { weight: 1, arbitrary: fc.constantFrom(65_536, 2 ** 20) },
);
const life = fc.oneof(fc.integer({ min: -2_000, max: 5_000 }), fc.integer({ min: 0, max: 40 * 86_400_000 }));
const content = fc.record({ size, life, byte: fc.integer({ min: 0, max: 255 }), owner: fc.constantFrom(...OWNERS) });
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant("create"), key, content }) },
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant("update"), key, content, stale: fc.nat(9).map((n) => n === 0) }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("read"), key, life: fc.option(life, { nil: undefined }) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("delete"), key }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("touch"), key, life }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("claim"), limit: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("list"), owner: fc.constantFrom(...OWNERS) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("clock"), by: life }) },
);
type Step = typeof step extends fc.Arbitrary<infer Each> ? Each : never;

const limits: Record<string, MemoryOptions> = {
  "without limits": {},
  "with maxSessions": { maxSessions: 4 },
  "with maxBytes": { maxBytes: 6_000 },
};
for (const [how, options] of Object.entries(limits)) {
  test(`behaves like the model, ${how}`, async (t) => {
    t.mock.timers.enable({ apis: ["Date"] });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 120, size: "max" }), (steps) => compare(t, options, steps)),
      { numRuns: runs(250) },
    );
  });
}

/** Runs the same steps on the store and on the model, and compares each result. */
async function compare(t: TestContext, options: MemoryOptions, steps: readonly Step[]): Promise<void> {
  let now = 1_800_000_000_000;
  t.mock.timers.setTime(now);
  const store = memory(options);
  const model = new Model(options);
  const changes: SessionChange[] = [];
  await store.watch!((change) => changes.push(change));
  const reads: { value: Uint8Array; was: Buffer }[] = [];

  for (const step of steps) {
    if (step.type === "create" || step.type === "update") {
      const { size, life, byte, owner } = step.content;
      const value = Buffer.alloc(size, byte);
      const session = { expiresAt: now + life, ...(owner !== undefined && { owner }) };
      const old = model.live(step.key);
      const given = new Uint8Array(value);
      const answer =
        step.type === "create"
          ? await store.create(step.key, { ...session, value: given })
          : await store.update(step.key, { ...session, value: given }, step.stale ? 0 : (old?.version ?? 0));
      given.fill(~byte);
      if (step.type === "create" ? old !== undefined : old === undefined || step.stale) {
        assert.equal(answer, step.type === "create" ? "exists" : old === undefined ? "gone" : "conflict");
        continue;
      }
      assert.ok(typeof answer === "number");
      if (old === undefined && model.sessions.has(step.key)) model.remove(step.key);
      model.sessions.set(step.key, { value, expiresAt: session.expiresAt, owner, version: answer });
      model.use(step.key);
      model.enforceLimits();
      model.changes.push({ key: step.key, type: "write", version: answer });
    } else if (step.type === "read") {
      const session = model.live(step.key);
      const found = await store.read(step.key, step.life === undefined ? undefined : now + step.life);
      assert.equal(found === undefined, session === undefined);
      if (found === undefined || session === undefined) continue;
      if (step.life !== undefined) session.expiresAt = Math.max(session.expiresAt, now + step.life);
      model.use(step.key);
      const { value, owner, ...rest } = session;
      assert.ok(value.equals(found.value));
      assert.deepEqual({ ...found, value }, { value, ...rest, ...(owner !== undefined && { owner }) });
      reads.push({ value: found.value, was: value });
    } else if (step.type === "touch") {
      const session = model.live(step.key);
      assert.equal(await store.touch(step.key, now + step.life), session !== undefined);
      if (session) session.expiresAt = now + step.life;
    } else if (step.type === "delete") {
      const is = model.live(step.key) !== undefined;
      assert.equal(await store.delete(step.key), is);
      if (is) model.remove(step.key);
    } else if (step.type === "claim") {
      const claimed = await store.claimExpired!(now, step.limit);
      for (const { key, value, ...rest } of claimed) {
        const session = model.sessions.get(key)!;
        assert.ok(session.expiresAt <= now && session.value.equals(value));
        const { expiresAt, owner } = session;
        assert.deepEqual(rest, { expiresAt, ...(owner !== undefined && { owner }) });
        model.remove(key);
      }
      const late = [...model.sessions.values()].filter(({ expiresAt }) => expiresAt <= now - 1_000).length;
      assert.ok(claimed.length === step.limit || (claimed.length < step.limit && late === 0), `${late} were missed`);
    } else if (step.type === "list") {
      const query = step.owner === undefined ? {} : { owner: step.owner };
      const listed: string[] = [];
      for await (const { key } of store.list!(query)) listed.push(key);
      const wanted = [...model.sessions.keys()].filter(
        (key) => model.live(key) && (step.owner === undefined || model.sessions.get(key)!.owner === step.owner),
      );
      assert.deepEqual(listed.sort(), wanted.sort());
    } else {
      now = Math.max(0, now + (step.by % 2 === 0 ? step.by : -step.by));
      t.mock.timers.setTime(now);
    }
  }
  assert.deepEqual(changes, model.changes);
  for (const { value, was } of reads) assert.ok(was.equals(value), "a value that was read does not change");
}

test("30,000 sessions that are created, changed and deleted do not affect each other", async () => {
  const store = memory();
  const versions = new Map<string, number>();
  const value = (key: string, turn: number) =>
    Buffer.from(`${key} ${turn} `.repeat(1 + ((key.length + turn * 7) % 23)));
  const session = (key: string, turn: number) => ({
    value: value(key, turn),
    expiresAt: Date.now() + 60_000,
    ...(turn % 3 === 0 && { owner: `owner ${key.length} ${turn % 2}` }),
  });
  const keys = Array.from({ length: 30_000 }, (_, index) => `${index}`.padStart(index % 2 ? 24 : 7, "0"));
  for (const key of keys) versions.set(key, (await store.create(key, session(key, 0))) as number);
  for (const turn of [1, 2, 3]) {
    for (const key of keys.filter((_, index) => index % (turn + 1) === 0)) {
      versions.set(key, (await store.update(key, session(key, turn), versions.get(key)!)) as number);
    }
  }
  const gone = keys.filter((_, index) => index % 5 === 1);
  for (const key of gone) assert.equal(await store.delete(key), true);
  for (const key of gone) assert.equal(await store.read(key), undefined);
  const left = keys.filter((_, index) => index % 5 !== 1);
  for (const key of left) {
    const index = Number(key);
    const turn = [3, 2, 1].find((turn) => index % (turn + 1) === 0) ?? 0;
    const found = await store.read(key);
    assert.deepEqual(
      { ...found, value: Buffer.from(found!.value), expiresAt: 0 },
      { ...session(key, turn), expiresAt: 0, version: versions.get(key) },
    );
  }
  const listed: string[] = [];
  for await (const { key } of store.list!({})) listed.push(key);
  assert.deepEqual(listed.sort(), left.sort());
});
