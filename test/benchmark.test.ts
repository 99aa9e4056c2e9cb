import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CookieJar } from "../bench/cookies.ts";
import { difference, directRatio, estimate, ratio } from "../bench/statistics.ts";

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

describe("the benchmark's statistics", () => {
  test("a median's interval leaves out as many at each end as the sign test's tables say", () => {
    const tables: Record<number, number> = { 6: 0, 8: 0, 9: 1, 11: 1, 12: 2, 15: 3, 20: 5, 25: 7 };
    for (const [n, skipped] of Object.entries(tables)) {
      const { median, low, high, sound } = estimate(upTo(Number(n)));
      assert.deepEqual([low, high, sound], [1 + skipped, Number(n) - skipped, true], `of ${n} samples`);
      assert.equal(median, (Number(n) + 1) / 2);
    }
  });

  test("a difference's interval leaves out as many pairs as Mann and Whitney's tables say", () => {
    const tables: [m: number, n: number, skipped: number][] = [
      [4, 4, 0],
      [5, 5, 2],
      [5, 8, 6],
      [8, 8, 13],
      [10, 10, 23],
    ];
    for (const [m, n, skipped] of tables) {
      // So that no two pairs differ by the same.
      const large = upTo(m).map((i) => i * 1000 + 1e6);
      const small = upTo(n).map((i) => i * 1001.7);
      const pairs = large.flatMap((one) => small.map((other) => one - other)).sort((a, b) => a - b);
      const { low, high, sound } = difference(large, small);
      assert.deepEqual([pairs.indexOf(low), pairs.indexOf(high)], [skipped, m * n - 1 - skipped], `${m} and ${n}`);
      assert.equal(sound, true);
    }
  });

  test("too few samples give no ratio, however far they are apart", () => {
    const [large, small] = [
      [100, 101, 102],
      [1, 1.1, 1.2],
    ] as const;
    assert.equal(ratio(estimate(large), estimate(small)).kind, "noise");
    assert.equal(directRatio(large, small).kind, "noise");
  });

  test("samples that overlap give no ratio; others do", () => {
    const low = [10, 11, 12, 13, 14, 15];
    const high = [20, 21, 22, 23, 24, 30];
    assert.equal(ratio(estimate([...high.slice(1), 12]), estimate(low)).kind, "noise");
    assert.deepEqual(ratio(estimate(high), estimate(low)), {
      kind: "ratio",
      ratio: 22.5 / 12.5,
      low: 20 / 15,
      high: 30 / 10,
    });
    const direct = directRatio(high, low);
    assert.ok(direct.kind === "ratio" && direct.low > 1.4 && direct.high < 2.4, JSON.stringify(direct));
    assert.equal(directRatio(low, low).kind, "noise");
  });
});

describe("the load generator's cookies", () => {
  test("are kept, replaced and removed as a browser does", () => {
    const jar = new CookieJar("a=1; session=old; b=2");
    jar.take("session=new=; Path=/; HttpOnly");
    jar.take("seen=1; Path=/");
    jar.take("a=; Max-Age=0; Path=/");
    jar.take("b=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT");
    assert.equal(jar.header, "session=new=; seen=1");
  });
});
