// What the console's page makes of the states that it gets: rates, percentiles, history, verdict, and the dots of its drawing.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { EventParser } from "../../src/console/page/connection.ts";
import { arrange } from "../../src/console/page/farm/arrange.ts";
import { dotsPerSecond, MOST_DOTS, Traffic } from "../../src/console/page/farm/traffic.ts";
import { findings } from "../../src/console/page/findings.ts";
import { bytes, milliseconds, percent, rate, span } from "../../src/console/page/format.ts";
import { History } from "../../src/console/page/history.ts";
import { percentile } from "../../src/console/page/latency.ts";
import { Model } from "../../src/console/page/model.ts";

import {
  type ConsoleState,
  LATENCY_BOUNDS,
  NO_TOTALS,
  type ServerReport,
  type ServerTotals,
} from "../../src/console/protocol.ts";
import fc, { runs } from "../support/random.ts";

const START = 1_700_000_000_000;

function report(given: Partial<ServerReport> & { totals?: ServerTotals } = {}): ServerReport {
  const usual = { id: "a", name: "web-1", startedAt: START - 3_600_000, seenAt: START, status: "up", storeUp: true, totals: NO_TOTALS } as const; // biome-ignore format: one line
  return { ...usual, ...given };
}

function state(at: number, servers: readonly ServerReport[], given: Partial<ConsoleState> = {}): ConsoleState {
  const store = { name: "redis", status: "up", since: START, latency: 1, canList: true } as const;
  return { at, application: "shop", sender: "a", store, servers, ...given };
}

/** A server that has counted so many requests, a second after the other. */
const second = (n: number, requests: number, given: Partial<ServerReport> = {}): ServerReport =>
  report({ seenAt: START + n * 1_000, totals: { ...NO_TOTALS, requests }, ...given });

describe("rates", () => {
  test("are differences of the totals of all servers", () => {
    const model = new Model();
    for (let n = 0; n < 20; n++) {
      const servers = [second(n, 1_000_000 + n * 30), second(n, n * 12, { id: "b", name: "web-2" })];
      const view = model.accept(state(START + n * 1_000, servers));
      if (n === 0) assert.equal(view.rates, undefined);
      else assert.equal(view.rates!.requests, 42);
    }
  });

  test("of a server that restarts begin anew, under its number", () => {
    const model = new Model();
    for (let n = 0; n < 5; n++) model.accept(state(START + n * 1_000, [second(n, n * 30)]));
    const gone = second(4, 120, { status: "lost" });
    const next = { id: "z", startedAt: START + 5_000 };
    model.accept(state(START + 6_000, [gone, second(6, 10, next)]));
    const { servers, rates, recent } = model.accept(state(START + 7_000, [gone, second(7, 20, next)]));
    assert.equal(rates!.requests, 10);
    assert.deepEqual(
      servers.map(({ id, number }) => [id, number]),
      [["z", 1]],
    );
    // 120 of the old one, and 20 of the new one, which this page saw from its start.
    assert.equal(recent.requests, 140);
  });

  for (const after of ["late", "lost", "stopped"] as const) {
    test(`do not have those of a server that is ${after}, whose row stays`, () => {
      const model = new Model();
      const both = (n: number, status: "up" | typeof after) =>
        state(START + n * 1_000, [
          second(n, n * 30),
          second(status === "up" ? n : 4, Math.min(n, 4) * 500, { id: "b", name: "web-2", status }),
        ]);
      for (let n = 0; n < 5; n++) model.accept(both(n, "up"));
      const { rates, servers } = model.accept(both(5, after));
      assert.equal(rates!.requests, 30);
      assert.deepEqual(
        servers.map(({ name }) => name),
        ["web-1", "web-2"],
      );
    });
  }

  test("are not known from reports of the same moment", () => {
    const model = new Model();
    model.accept(state(START, [second(0, 1_000)]));
    const view = model.accept(
      state(START + 10, [report({ seenAt: START + 10, totals: { ...NO_TOTALS, requests: 5_000 } })]),
    );
    assert.equal(view.rates, undefined);
  });

  test("a report that is seen twice counts once", () => {
    const model = new Model();
    model.accept(state(START, [second(0, 0)]));
    for (const at of [1_000, 1_500, 2_000]) model.accept(state(START + at, [second(1, 10)]));
    const { recent, rates } = model.accept(state(START + 2_500, [second(2, 20)]));
    assert.equal(recent.requests, 20);
    assert.equal(rates!.requests, 10);
  });
});

describe("percentiles", () => {
  test("of any calls are within the bucket of the call that they name", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: LATENCY_BOUNDS.length - 1 }), { minLength: 1, maxLength: 200 }),
        fc.constantFrom(0.5, 0.9, 0.99, 1),
        (buckets, share) => {
          const counts = new Array<number>(LATENCY_BOUNDS.length + 1).fill(0);
          for (const bucket of buckets) counts[bucket]!++;
          const bucket = buckets.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(buckets.length * share - 1e-9) - 1)]!;
          const found = percentile(counts, share)!;
          assert.ok(found <= LATENCY_BOUNDS[bucket]! + 1e-9, `${found} of bucket ${bucket}`);
          assert.ok(found >= (LATENCY_BOUNDS[bucket - 1] ?? 0) - 1e-9, `${found} of bucket ${bucket}`);
        },
      ),
      { numRuns: runs(500) },
    );
  });

  test("of no call are not known, and what took longer than every bound is as long as the last one", () => {
    assert.equal(percentile(NO_TOTALS.latency, 0.5), undefined);
    const counts = [...NO_TOTALS.latency.slice(0, -1), 7];
    assert.equal(percentile(counts, 0.5), LATENCY_BOUNDS.at(-1));
  });
});

test("numbers have few digits, and a unit that fits", () => {
  assert.deepEqual([0, 0.04, 0.5, 9.949, 9.96, 4_999.6].map(rate), ["0", "< 0.1", "0.5", "9.9", "10", "5,000"]);
  assert.deepEqual([undefined, 0, 0.416, 3.44, 99.96, 896.4, 1_249].map(milliseconds), [
    "–",
    "0 ms",
    "0.42 ms",
    "3.4 ms",
    "100 ms",
    "896 ms",
    "1.2 s",
  ]);
  assert.deepEqual([-5, 99_000, 100_000, 3_600_000 * 5, 86_400_000 * 3].map(span), [
    "0 s",
    "99 s",
    "2 min",
    "5 h",
    "3 days",
  ]);
  assert.deepEqual([percent(1, 3), percent(0, 0), bytes(168), bytes(1_530)], ["33.3 %", "–", "168 bytes", "1.5 KB"]);
});

describe("the history", () => {
  test("has the last five minutes, and takes no more memory", () => {
    const history = new History(["n"], 360);
    for (let n = 0; n <= 5_000; n++) history.push(n, { n });
    assert.deepEqual([history.times().at(0), history.times().at(-1)], [4_700, 5_000]);
    assert.deepEqual(history.values("n"), history.times());
    assert.equal(history.sum("n"), (301 * (4_700 + 5_000)) / 2);
  });

  test("of states that come faster than once a second has what fits", () => {
    const history = new History(["n"], 10);
    for (let n = 0; n < 25; n++) history.push(n / 10, { n });
    assert.deepEqual(history.values("n"), [15, 16, 17, 18, 19, 20, 21, 22, 23, 24]);
  });

  test("shows a gap where the stream was broken", () => {
    const model = new Model();
    for (const n of [0, 1]) model.accept(state(START + n * 1_000, [second(n, n * 10)]));
    const { history } = model.accept(state(START + 30_000, [second(30, 300)]), true);
    assert.deepEqual(history.values("requests"), [null, 10, null, 10]);
    assert.equal(history.times().length, 4);
  });
});

describe("the verdict", () => {
  const live = { status: "live" } as const;
  const of = (servers: readonly ServerReport[], given: Partial<ConsoleState> = {}) => {
    const model = new Model();
    model.accept(state(START, servers, given));
    const later = servers.map((server) => ({ ...server, seenAt: server.seenAt + 1_000 }));
    return findings(live, model.accept(state(START + 1_000, later, given)));
  };

  test("names the worst first, and says what to do", () => {
    const cases: [found: ReturnType<typeof of>, what: RegExp][] = [
      [of([]), /^No server reports/],
      [of([report({ status: "lost" })]), /^No server reports/],
      [of([report(), report({ id: "b", name: "web-2", status: "lost" })]), /^web-2 stopped without a word at \d/],
      [of([report(), report({ id: "b", name: "web-2", status: "late" })]), /^web-2 should have reported/],
      [of([report(), report({ id: "b", name: "web-2", storeUp: false })]), /^web-2 can't reach the store/],
      [of([report({ status: "late" }), report({ id: "b", name: "web-2", storeUp: false })]), /^web-2 can't/],
      [of([report()]), /^Everything works, and no request comes in/],
      [findings({ status: "connecting" }, undefined), /^Waiting for the first figures/],
      [findings(live, undefined), /^Waiting for the first figures/],
      [findings({ status: "broken" }, undefined), /^The connection to the console is broken/],
      [findings({ status: "refused" }, undefined), /^This console is closed to you/],
    ];
    for (const [found, what] of cases) {
      assert.match(found[0]!.what, what);
      assert.notEqual(found[0]!.advice, "");
    }
  });

  test("of a store that is down does not blame servers, which report through it", () => {
    const store = {
      name: "redis",
      status: "down",
      since: START,
      latency: 1,
      canList: true,
      reason: "it can't be reached (ECONNREFUSED)",
    } as const;
    const found = of([report({ storeUp: false }), report({ id: "b", name: "web-2", status: "lost" })], { store });
    assert.equal(found.length, 1);
    assert.match(found[0]!.what, /^The store redis is down since/);
    assert.match(found[0]!.advice, /^It can't be reached \(ECONNREFUSED\)\. Check/);
  });

  test("has no number that changes by itself, as a screen reader reads it out", () => {
    const model = new Model();
    const servers = (n: number) => [
      second(n, n * n * 7),
      report({ id: "b", name: "web-2", status: "lost", seenAt: START }),
      second(n, n, { id: "c", name: "web-3", totals: { ...NO_TOTALS, storeErrors: n * n, unreadable: n } }),
    ];
    const said = [1, 2, 3, 4].map((n) => findings(live, model.accept(state(START + n * 1_000, servers(n)))));
    assert.equal(said[3]!.length, 3);
    assert.deepEqual(said[3], said[2]);
  });
});

describe("the dots", () => {
  test("are few however many requests there are, and each comes back", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 9 }),
        fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 50, maxLength: 300 }),
        (rates, steps) => {
          const traffic = new Traffic();
          const flows = rates.map((requests, i) => ({ server: `${i}`, requests, storeShare: 0.5, isGone: false }));
          for (const ms of steps) {
            traffic.step(ms, flows);
            assert.ok(traffic.dots.length <= MOST_DOTS);
          }
          const still = flows.map((flow) => ({ ...flow, requests: 0 }));
          for (let i = 0; i < 100; i++) traffic.step(100, still);
          assert.equal(traffic.dots.length, 0);
        },
      ),
      { numRuns: runs(100) },
    );
  });

  test("of few requests are one each", () => {
    assert.equal(dotsPerSecond(0), 0);
    assert.equal(dotsPerSecond(0.5), 0.5);
    assert.equal(dotsPerSecond(5_000), 20);
  });

  test("on their way to a server that dies fade away, and no other one goes there", () => {
    const traffic = new Traffic();
    const flow = { server: "a", requests: 100, storeShare: 1, isGone: false };
    for (let i = 0; i < 20; i++) traffic.step(50, [flow]);
    assert.ok(traffic.dots.length > 0);
    const other = { ...flow, server: "b" };
    for (let i = 0; i < 20; i++) traffic.step(50, [{ ...flow, requests: 0, isGone: true }, other]);
    assert.ok(traffic.dots.length > 0);
    assert.ok(traffic.dots.every(({ server }) => server === "b"));
  });
});

describe("the drawing", () => {
  test("has its parts beside each other, and inside, at every width", () => {
    fc.assert(
      fc.property(fc.integer({ min: 300, max: 2_500 }), fc.integer({ min: 1, max: 8 }), (width, count) => {
        const { browsers, balancer, servers, store, height } = arrange(width, count);
        const boxes = [browsers, balancer, ...servers, store];
        for (const [i, a] of boxes.entries()) {
          assert.ok(a.x - a.width / 2 >= -0.5 && a.x + a.width / 2 <= width + 0.5);
          assert.ok(a.y - a.height / 2 >= -0.5 && a.y + a.height / 2 <= height + 0.5);
          for (const b of boxes.slice(i + 1)) {
            const isApart =
              Math.abs(a.x - b.x) >= (a.width + b.width) / 2 || Math.abs(a.y - b.y) >= (a.height + b.height) / 2;
            assert.ok(isApart, `${JSON.stringify(a)} ${JSON.stringify(b)}`);
          }
        }
      }),
      { numRuns: runs(300) },
    );
  });
});

test("a stream is cut into its events wherever its chunks begin", () => {
  const text = 'retry: 1000\n\ndata: {"a":1}\n\n: still here\n\nevent: state\ndata: {"b":\ndata: 2}\n\ndata: {"c"';
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: text.length }), { maxLength: 8 }), (cuts) => {
      const parser = new EventParser();
      const places = [0, ...cuts.toSorted((a, b) => a - b), text.length];
      const events = places.slice(1).flatMap((end, i) => parser.push(text.slice(places[i], end)));
      assert.deepEqual(events, ['{"a":1}', '{"b":\n2}']);
    }),
    { numRuns: runs(200) },
  );
});
