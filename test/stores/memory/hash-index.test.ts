// The memory store's hash index.

import assert from "node:assert/strict";
import { test } from "node:test";
import { HashIndex } from "../../../src/stores/memory/hash-index.ts";
import fc, { runs } from "../../support/random.ts";

/** An index, and the entries that must be in it, with their hashes. */
class Checked {
  readonly hashes = new Map<number, number>();
  readonly index = new HashIndex((ref) => this.hashes.get(ref)!);

  add(hash: number, ref: number): void {
    this.hashes.set(ref, hash);
    this.index.add(hash, ref);
  }

  remove(ref: number): void {
    assert.equal(this.index.remove(this.hashes.get(ref)!, ref), true);
    assert.equal(this.index.remove(this.hashes.get(ref)!, ref), false, "an entry is removed once");
    this.hashes.delete(ref);
  }

  replace(from: number, to: number): void {
    const hash = this.hashes.get(from)!;
    assert.equal(this.index.replace(hash, from, to), true);
    this.hashes.delete(from);
    this.hashes.set(to, hash);
  }

  check(): void {
    for (const [ref, hash] of this.hashes) assert.ok(this.found(hash).includes(ref), `${ref} is found by its hash`);
    const all = [...this.index.tables()].flat();
    assert.deepEqual(new Set(all), new Set(this.hashes.keys()));
    assert.equal(all.length, this.hashes.size);
  }

  found(hash: number): number[] {
    const refs: number[] = [];
    for (let ref = this.index.find(hash); ref !== 0; ref = this.index.find(hash, ref)) refs.push(ref);
    assert.equal(new Set(refs).size, refs.length, "each comes once");
    return refs;
  }
}

test("finds each entry, also among equal hashes", () => {
  const hash = fc.oneof(
    fc.integer(),
    fc.constantFrom(0, -1, 1, 65_536),
    fc.integer({ min: 0, max: 3 }).map((low) => low << 30), // the same tag with different prefixes
    fc.integer({ min: 0xfffd, max: 0x10002 }), // around the last slot of a table
  );
  const step = fc.record({ hash, pick: fc.nat(), kind: fc.constantFrom("add", "add", "remove", "replace") });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400, size: "max" }), (steps) => {
      const checked = new Checked();
      let lastRef = 0;
      for (const { kind, hash, pick } of steps) {
        const refs = [...checked.hashes.keys()];
        const ref = refs[pick % refs.length];
        if (kind === "add") checked.add(hash, ++lastRef);
        else if (kind === "remove" && ref !== undefined) checked.remove(ref);
        else if (kind === "replace" && ref !== undefined) checked.replace(ref, ++lastRef);
      }
      checked.check();
    }),
    { numRuns: runs(300) },
  );
});

test("grows to 50,000 entries with references of 32 bits, and shrinks to ten", () => {
  const checked = new Checked();
  const refs = Array.from({ length: 50_000 }, (_, i) => ((i + 1) * 80_001) | 0);
  for (const ref of refs) checked.add(Math.imul(ref, 0x9e3779b1), ref);
  checked.check();
  for (const ref of refs.slice(10)) checked.remove(ref);
  checked.check();
});

test("holds 6,000 entries with one hash", () => {
  const checked = new Checked();
  for (let ref = 1; ref <= 6_000; ref++) checked.add(123_456_789, ref);
  assert.equal([...checked.index.tables()].flat().length, 6_000);
  assert.equal(checked.index.find(123_456_789, 0) > 0, true);
  for (let ref = 1; ref <= 6_000; ref++) checked.remove(ref);
  assert.equal(checked.index.find(123_456_789), 0);
});

test("an iteration gives each entry that was there from the beginning once, while tables split", () => {
  const checked = new Checked();
  for (let ref = 1; ref <= 10_000; ref++) checked.add(Math.imul(ref, 0x9e3779b1), ref);
  const met: number[] = [];
  let next = 10_001;
  for (const refs of checked.index.tables()) {
    met.push(...refs.filter((ref) => ref <= 10_000));
    for (let i = 0; i < 3_000 && next < 60_000; i++, next++) checked.add(Math.imul(next, 0x9e3779b1), next);
  }
  assert.equal(met.length, 10_000);
  assert.equal(new Set(met).size, 10_000);
});
