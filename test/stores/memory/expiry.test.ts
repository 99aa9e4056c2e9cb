import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Arena, type Ref } from "../../../src/stores/memory/arena.ts";
import { Expiry } from "../../../src/stores/memory/expiry.ts";

const SECOND = 1_000;
const DAY = 86_400 * SECOND;
const BYTES = 72;

/** Entries that do not move, and when they expire. */
class Checked {
  readonly arena = new Arena(() => {});
  readonly expiry = new Expiry(this.arena, 0);
  readonly ends = new Map<Ref, number>();

  add(end: number, now: number): void {
    const ref = this.arena.allocate(BYTES);
    this.ends.set(ref, end);
    this.expiry.file(ref, end, now);
  }

  /** As the store does it; gives the expired, which leave, and how many were filed anew. */
  sweep(now: number): { expired: number[]; refiled: number } {
    const expired: number[] = [];
    let refiled = 0;
    for (const second of this.expiry.due(now)) {
      assert.notEqual(this.expiry.first(second), 0, "a list that is empty is none");
      for (let ref = this.expiry.first(second); ref !== 0; ref = this.expiry.first(second)) {
        this.expiry.unfile(ref);
        if (this.ends.get(ref)! > now) {
          this.expiry.file(ref, this.ends.get(ref)!, now);
          refiled++;
        } else {
          expired.push(this.ends.get(ref)!);
          this.ends.delete(ref);
        }
      }
    }
    return { expired, refiled };
  }
}

test("a sweep gives all that have expired, a second late at most, wherever the clock goes", () => {
  const span = fc.oneof(
    fc.integer({ min: 0, max: 3 * SECOND }),
    fc.integer({ min: 0, max: DAY }),
    fc.integer({ min: 0, max: 20_000 * DAY }),
  );
  const step = fc.oneof(
    fc.record({ add: span }),
    fc.record({ extend: span, pick: fc.nat() }),
    fc.record({ end: fc.nat() }),
    fc.record({
      go: fc.oneof(
        span,
        span.map((back) => -back),
      ),
    }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100, size: "max" }), (steps) => {
      const checked = new Checked();
      let now = 1_800_000_000_000;
      for (const step of steps) {
        const refs = [...checked.ends.keys()];
        if ("add" in step) checked.add(now + step.add, now);
        else if ("extend" in step) {
          const ref = refs[step.pick % refs.length];
          // Later only: the store files what expires earlier anew.
          if (ref !== undefined) checked.ends.set(ref, Math.max(checked.ends.get(ref)!, now + step.extend));
        } else if ("end" in step) {
          const ref = refs[step.end % refs.length];
          if (ref !== undefined) {
            checked.expiry.unfile(ref);
            checked.ends.delete(ref);
          }
        } else {
          now = Math.min(Math.max(0, now + step.go), 2 ** 32 * SECOND - 20_000 * DAY);
          for (const end of checked.sweep(now).expired) assert.ok(end <= now);
          for (const end of checked.ends.values()) assert.ok(end > now - SECOND, `${now - end} ms late`);
        }
      }
    }),
    { numRuns: 500 },
  );
});

test("a leap over decades takes a look at each entry, not at each second", () => {
  const checked = new Checked();
  for (let i = 0; i < 1_000; i++) checked.add(i * DAY, 0);
  const { expired, refiled } = checked.sweep(50_000 * DAY);
  assert.equal(expired.length, 1_000);
  assert.equal(refiled, 0);
});

test("ends of a million seconds are some hundred lists", () => {
  const checked = new Checked();
  for (let i = 0; i < 10_000; i++) checked.add(i * 100 * SECOND, 0);
  const lists = checked.expiry.due(Number.MAX_SAFE_INTEGER).length;
  assert.ok(lists < 2_500, `${lists} lists`);
});

test("an entry is filed anew a few times in 30 days, swept every minute", () => {
  const checked = new Checked();
  checked.add(30 * DAY + 59_500, 0);
  let times = 0;
  let gone = 0;
  for (let now = 0; now <= 30 * DAY + 60 * SECOND; now += 60 * SECOND) {
    const { expired, refiled } = checked.sweep(now);
    times += refiled;
    gone += expired.length;
  }
  assert.equal(gone, 1);
  assert.ok(times > 0 && times <= 4, `${times} times`);
});

test("beyond 2106 a sweep comes to its end", () => {
  const checked = new Checked();
  const last = 2 ** 32 * SECOND;
  checked.add(last + DAY, 0);
  checked.sweep(last - DAY);
  checked.sweep(last + 1);
  assert.equal(checked.ends.size, 1);
});

test("a list that ends leaves its number to the next: one session that comes and goes begins a list each time", () => {
  const { arena, expiry } = new Checked();
  const ref = arena.allocate(BYTES);
  const numbers = new Set<number>();
  for (let second = 1; second <= 100; second++) {
    expiry.file(ref, second * SECOND, 0);
    numbers.add(arena.get(ref, 1));
    expiry.unfile(ref);
  }
  assert.equal(numbers.size, 1);
});
