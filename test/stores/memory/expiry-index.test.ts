// The memory store's expiry index.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Arena, type Ref } from "../../../src/stores/memory/arena.ts";
import { ExpiryIndex } from "../../../src/stores/memory/expiry-index.ts";
import fc, { runs } from "../../support/random.ts";

const SECOND = 1_000;
const DAY = 86_400 * SECOND;
const BYTES = 72;

/** An expiry index, and when the entries in it expire. The entries do not move. */
class Checked {
  readonly arena = new Arena(() => {});
  readonly expiry = new ExpiryIndex(this.arena, 0);
  readonly ends = new Map<Ref, number>();

  add(end: number, now: number): void {
    const ref = this.arena.allocate(BYTES);
    this.ends.set(ref, end);
    this.expiry.add(ref, end, now);
  }

  /** Sweeps as the store does. Gives the expired, which are removed, and how many entries were rescheduled. */
  sweep(now: number): { expired: number[]; rescheduled: number } {
    const expired: number[] = [];
    let rescheduled = 0;
    for (const second of this.expiry.dueSeconds(now)) {
      assert.notEqual(this.expiry.firstOf(second), 0, "an empty list is not due");
      for (let ref = this.expiry.firstOf(second); ref !== 0; ref = this.expiry.firstOf(second)) {
        this.expiry.remove(ref);
        if (this.ends.get(ref)! > now) {
          this.expiry.add(ref, this.ends.get(ref)!, now);
          rescheduled++;
        } else {
          expired.push(this.ends.get(ref)!);
          this.ends.delete(ref);
        }
      }
    }
    return { expired, rescheduled };
  }
}

test("a sweep gives every expired entry at most a second late, whichever way the clock is set", () => {
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
          // Only later: for an earlier expiry, the store reschedules the entry.
          if (ref !== undefined) checked.ends.set(ref, Math.max(checked.ends.get(ref)!, now + step.extend));
        } else if ("end" in step) {
          const ref = refs[step.end % refs.length];
          if (ref !== undefined) {
            checked.expiry.remove(ref);
            checked.ends.delete(ref);
          }
        } else {
          now = Math.min(Math.max(0, now + step.go), 2 ** 32 * SECOND - 20_000 * DAY);
          for (const end of checked.sweep(now).expired) assert.ok(end <= now);
          for (const end of checked.ends.values()) assert.ok(end > now - SECOND, `${now - end} ms late`);
        }
      }
    }),
    { numRuns: runs(500) },
  );
});

test("after a jump of decades, a sweep looks at each entry, not at each second", () => {
  const checked = new Checked();
  for (let i = 0; i < 1_000; i++) checked.add(i * DAY, 0);
  const { expired, rescheduled } = checked.sweep(50_000 * DAY);
  assert.equal(expired.length, 1_000);
  assert.equal(rescheduled, 0);
});

test("expiries spread over a million seconds are at most 2,500 lists", () => {
  const checked = new Checked();
  for (let i = 0; i < 10_000; i++) checked.add(i * 100 * SECOND, 0);
  const lists = checked.expiry.dueSeconds(Number.MAX_SAFE_INTEGER).length;
  assert.ok(lists < 2_500, `${lists} lists`);
});

test("an entry of 30 days is rescheduled at most four times, with a sweep every minute", () => {
  const checked = new Checked();
  checked.add(30 * DAY + 59_500, 0);
  let times = 0;
  let gone = 0;
  for (let now = 0; now <= 30 * DAY + 60 * SECOND; now += 60 * SECOND) {
    const { expired, rescheduled } = checked.sweep(now);
    times += rescheduled;
    gone += expired.length;
  }
  assert.equal(gone, 1);
  assert.ok(times > 0 && times <= 4, `${times} times`);
});

test("a sweep beyond 2106 terminates", () => {
  const checked = new Checked();
  const last = 2 ** 32 * SECOND;
  checked.add(last + DAY, 0);
  checked.sweep(last - DAY);
  checked.sweep(last + 1);
  assert.equal(checked.ends.size, 1);
});

test("the number of a removed list is used again, as one session may create a list each time", () => {
  const { arena, expiry } = new Checked();
  const ref = arena.allocate(BYTES);
  const numbers = new Set<number>();
  for (let second = 1; second <= 100; second++) {
    expiry.add(ref, second * SECOND, 0);
    numbers.add(arena.get(ref, 1));
    expiry.remove(ref);
  }
  assert.equal(numbers.size, 1);
});
