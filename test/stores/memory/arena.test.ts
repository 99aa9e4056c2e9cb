// The memory store's arena.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Arena, MAX_ENTRY_BYTES, type Ref } from "../../../src/stores/memory/arena.ts";
import fc, { runs } from "../../support/random.ts";

/** An arena, and the entries that must be in it. All words of an entry are its number, which identifies it when it moves. */
class Checked {
  readonly entries = new Map<number, { ref: Ref; bytes: number }>();
  moves = 0;
  #last = 0;
  readonly arena: Arena = new Arena((from, to) => {
    const entry = this.entries.get(this.arena.get(to, 0))!;
    assert.equal(entry.ref, from, "an entry moves from its known location");
    entry.ref = to;
    this.moves++;
  });

  add(bytes: number): void {
    const number = ++this.#last;
    const ref = this.arena.allocate(bytes);
    for (let word = 0; word < bytes >> 2; word++) this.arena.set(ref, word, number);
    this.entries.set(number, { ref, bytes });
  }

  remove(pick: number): void {
    const [number, { ref }] = [...this.entries][pick % this.entries.size]!;
    this.entries.delete(number);
    this.arena.free(ref);
  }

  check(): void {
    const refs = new Set<Ref>();
    for (const [number, { ref, bytes }] of this.entries) {
      assert.notEqual(ref, 0, "no entry has the reference 0");
      refs.add(ref);
      assert.ok(this.arena.fits(ref, bytes));
      for (let word = 0; word < bytes >> 2; word++) assert.equal(this.arena.get(ref, word), number);
    }
    assert.equal(refs.size, this.entries.size);
  }
}

test("every entry keeps its bytes while others are allocated and freed", () => {
  const size = fc.oneof(fc.constantFrom(68, 344, MAX_ENTRY_BYTES), fc.integer({ min: 68, max: MAX_ENTRY_BYTES }));
  const step = fc.oneof({ weight: 3, arbitrary: size }, { weight: 2, arbitrary: fc.integer({ min: -1000, max: -1 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300, size: "max" }), (steps) => {
      const checked = new Checked();
      for (const step of steps) {
        if (step > 0) checked.add(step);
        else if (checked.entries.size > 0) checked.remove(-step);
      }
      checked.check();
    }),
    { numRuns: runs(200) },
  );
});

test("entries keep their bytes while many pages are filled and released, twice", () => {
  const checked = new Checked();
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 6_000; i++) checked.add(i % 3 === 0 ? 400 : 344);
    checked.check();
    while (checked.entries.size > 10) checked.remove(0);
    checked.check();
  }
  assert.ok(checked.moves > 5_000);
});

test("freed room is used again: memory does not grow with the number of changes", () => {
  const before = process.memoryUsage().arrayBuffers;
  const checked = new Checked();
  for (let i = 0; i < 3_000; i++) checked.add(344);
  const filled = process.memoryUsage().arrayBuffers - before;
  for (let i = 0; i < 30_000; i++) {
    checked.remove(i % 7);
    checked.add(344);
  }
  const kept = process.memoryUsage().arrayBuffers - before;
  assert.ok(kept <= filled, `${kept} bytes, and ${filled} when it was filled`);
});
