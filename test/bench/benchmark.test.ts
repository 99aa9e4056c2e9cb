// Tests of the benchmark's statistics, pictures and profiles.
import assert from "node:assert/strict";
import { type AddressInfo, createServer } from "node:net";
import { describe, test } from "node:test";
import { Connection } from "../../bench/connection.ts";
import { CookieJar } from "../../bench/cookies.ts";
import { draw } from "../../bench/drawing.ts";
import { entrants } from "../../bench/entrant.ts";
import { flameGraph, layOut } from "../../bench/flame-graph.ts";
import { comparedContenders, goals } from "../../bench/goals.ts";
import type { LatencyResults } from "../../bench/latency-results.ts";
import { latencyPlot, plots } from "../../bench/plots.ts";
import type { Results } from "../../bench/results.ts";
import { type CpuProfile, type Frame, fold, selfTimes } from "../../bench/stacks.ts";
import { difference, directRatio, estimate, ratio } from "../../bench/statistics.ts";

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

describe("the benchmark's statistics", () => {
  test("a median's interval leaves out as many samples at each end as the sign test's tables", () => {
    const tables: Record<number, number> = { 6: 0, 8: 0, 9: 1, 11: 1, 12: 2, 15: 3, 20: 5, 25: 7 };
    for (const [n, skipped] of Object.entries(tables)) {
      const { median, low, high, sound } = estimate(upTo(Number(n)));
      assert.deepEqual([low, high, sound], [1 + skipped, Number(n) - skipped, true], `of ${n} samples`);
      assert.equal(median, (Number(n) + 1) / 2);
    }
  });

  test("a difference's interval leaves out as many pairs as the Mann-Whitney test's tables", () => {
    const tables: [m: number, n: number, skipped: number][] = [
      [4, 4, 0],
      [5, 5, 2],
      [5, 8, 6],
      [8, 8, 13],
      [10, 10, 23],
    ];
    for (const [m, n, skipped] of tables) {
      // No two pairs have the same difference.
      const large = upTo(m).map((i) => i * 1000 + 1e6);
      const small = upTo(n).map((i) => i * 1001.7);
      const pairs = large.flatMap((one) => small.map((other) => one - other)).sort((a, b) => a - b);
      const { low, high, sound } = difference(large, small);
      assert.deepEqual([pairs.indexOf(low), pairs.indexOf(high)], [skipped, m * n - 1 - skipped], `${m} and ${n}`);
      assert.equal(sound, true);
    }
  });

  test("too few samples give no ratio, however different they are", () => {
    const [large, small] = [
      [100, 101, 102],
      [1, 1.1, 1.2],
    ] as const;
    assert.equal(ratio(estimate(large), estimate(small)).kind, "noise");
    assert.equal(directRatio(large, small).kind, "noise");
  });

  test("overlapping samples give no ratio, separate samples do", () => {
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

/** Results whose rows have these figures for each kind of request, each as certain as ten percent. */
function resultsOf(figures: Record<string, number>): Results {
  const around = (median: number) => ({ median, low: median * 0.95, high: median * 1.05, sound: true });
  const cell = (median: number) => ({ added: around(median), both: around(median) });
  const rows = Object.entries(figures).map(([id, figure]) => ({
    ...{
      id,
      name: id.startsWith("coatcheck") ? "coatcheck" : id,
      framework: "node:http",
      ours: id.startsWith("coatcheck"),
    },
    store: id.slice(id.indexOf("+") + 1),
    cells: { read: cell(figure), change: cell(figure), new: cell(figure) },
  }));
  const settings = { laps: 3, minutes: 20 };
  return { date: "2026-01-02T", machine: { cpu: "a CPU", cores: 2 }, settings, rows } as unknown as Results;
}

describe("the goals", () => {
  const verdicts = (figures: Record<string, number>) =>
    goals(resultsOf(figures))
      .split("\n")
      .filter((line) => line.startsWith("| ") && !line.startsWith("| goal") && !line.startsWith("| ---"))
      .map((line) => line.split(" | "))
      .map((cells) => [cells[1], cells[3], cells.at(-1)!.replace(" |", "")]);

  test("are met, not met, or open where the intervals allow both", () => {
    const peers = { "coatcheck-node+redis": 100 };
    assert.deepEqual(verdicts({ ...peers, "coatcheck-node+cached": 90 }), [["change", "0.90×", "met"]]);
    assert.deepEqual(verdicts({ ...peers, "coatcheck-node+cached": 140 }), [["change", "1.40×", "not met"]]);
    assert.deepEqual(verdicts({ ...peers, "coatcheck-node+cached": 105 }), [
      ["change", "1.05×", "perhaps, by the medians met"],
    ]);
    assert.deepEqual(verdicts({ ...peers, "coatcheck-node+cached": 115 }), [
      ["change", "1.15×", "perhaps, by the medians not met"],
    ]);
  });

  test("without their contenders are left out, and each kind of request has its own line", () => {
    assert.deepEqual(verdicts({ "coatcheck-express+postgres": 10 }), []);
    const lines = verdicts({ "coatcheck-express+postgres": 10, "connect-pg-simple+postgres": 100 });
    assert.deepEqual(lines.map(([scenario]) => scenario), ["read", "change", "new"]); // biome-ignore format: one line
  });

  test("are measured in groups: whatever is compared is in one of them, and in no other", () => {
    const groups = comparedContenders();
    const ids = groups.flat();
    assert.equal(new Set(ids).size, ids.length);
    const groupOf = (id: string) => groups.findIndex((group) => group.includes(id));
    for (const id of ["coatcheck-node-xchacha+redis", "least-possible+redis", "coatcheck-node+cached"]) {
      assert.equal(groupOf(id), groupOf("coatcheck-node+redis"), id);
    }
    assert.notEqual(groupOf("secure-session+cookie"), groupOf("coatcheck-node+redis"));
    assert.deepEqual(ids.filter((id) => !entrants.some((entrant) => entrant.id === id)), []); // biome-ignore format: one line
  });

  test("of the slowest answers come from the latency's results", () => {
    const row = (id: string, p999: number) => ({ id, situation: "at rest", rate: 1_000, latency: { p999, late: 1 } });
    const rows = [row("coatcheck-express+redis", 10), row("coatcheck-express+cached", 12)];
    const text = goals(resultsOf({}), { date: "2026-01-02T", seconds: 8, rows } as unknown as LatencyResults);
    assert.match(text, /p99\.9 of cached\(redis\).*12\.0 to 10\.0 ms \| 1\.20× \| 1× \| not met/);
    rows[0]!.latency.late = 4;
    const doubtful = goals(resultsOf({}), { date: "2026-01-02T", seconds: 8, rows } as unknown as LatencyResults);
    assert.match(doubtful, /1\.20× \| 1× \| perhaps not met/);
  });
});

describe("the plots", () => {
  test("of added time show the comparisons that people ask about, and another one all rows", () => {
    const asked = { "coatcheck-express+redis": 10, "connect-redis+redis": 50 };
    const { added, all } = plots(resultsOf({ ...asked, "least-possible+redis": 5 }));
    assert.match(added!, /In Redis, on Express/);
    assert.doesNotMatch(added!, /least-possible|In memory/);
    assert.match(all!, /least-possible/);
    const others = plots(resultsOf({ "least-possible+redis": 5 }));
    assert.match(others.added!, /least-possible/);
    assert.equal(others.all, undefined);
  });

  const plot = (situation: string, latency = { p50: 1, p99: 2, p999: 3 }) => {
    const row = { id: "", name: "coatcheck", ours: true, situation, rate: 1, latency };
    return latencyPlot({ rows: [row, { ...row, name: "peer", ours: false }] } as unknown as LatencyResults);
  };

  test("show groups, names and figures", () => {
    const svg = plot("at rest", { p50: 1.5, p99: 47.3, p999: 120 });
    const texts = [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text]) => text);
    for (const text of ["coatcheck", "others", "peer", "47", "1K"]) assert.ok(texts.includes(text), text);
    assert.match(svg, /<text[^>]*font-weight:bold[^>]*>at rest, 1 requests a second</);
    assert.equal(texts.filter((text) => text?.includes("at rest")).length, 1);
  });

  test("are wide enough for long labels", () => {
    const widthWith = (situation: string) => Number(/width="(\d+)"/.exec(plot(situation))![1]);
    assert.ok(widthWith("m".repeat(200)) - widthWith("m".repeat(100)) > 900);
  });
});

test("a picture's description keeps dollar signs", () => {
  const svg = draw({}, { width: 100, height: 100 }, { title: "Costs", text: "from $1 to $178 & more" });
  assert.match(svg, /<desc id="desc">from \$1 to \$178 &amp; more<\/desc>/);
});

describe("a profile's stacks", () => {
  const fileOf = (path: string) => new URL(`../../${path}`, import.meta.url).href;
  const node = (id: number, functionName: string, url: string, children: number[] = []) => ({
    id,
    callFrame: { functionName, url, lineNumber: 9 },
    children,
  });
  const profile: CpuProfile = {
    nodes: [
      node(1, "(root)", "", [2, 3, 4, 5, 9]),
      node(2, "(idle)", ""),
      node(3, "answer", fileOf("bench/server.ts"), [8]),
      // One function twice, as in V8's profiles after it has compiled the function again.
      node(4, "open", fileOf("src/request/opener.ts"), [6]),
      node(5, "open", fileOf("src/request/opener.ts"), [7]),
      node(6, "", fileOf("node_modules/redis/dist/index.js")),
      node(7, "createHash", "node:crypto"),
      node(8, "post", "node:inspector"),
      node(9, "handle", fileOf("bench/apps/express.ts"), [10]),
      node(10, "open", fileOf("src/request/opener.ts")),
    ],
    samples: [2, 4, 5, 6, 7, 8, 9, 10, 4, 3],
    timeDeltas: [5_000, 10, 20, 30, 2, 7_000, 18, 10, 10, 900],
  };
  const outline = ({ name, origin, self, total, calls }: Frame): unknown[] => [
    ...[name, origin, Math.round(self * 100), Math.round(total * 100)],
    ...calls.map(outline),
  ];

  test("are merged as far as they begin with the same calls, without idle time and the harness", () => {
    assert.deepEqual(outline(fold(profile)), [
      ...["all", "native", 0, 100],
      [...["open", "coatcheck", 40, 72], ["(anonymous)", "packages", 30, 30], ["createHash", "node", 2, 2]],
      ["handle", "application", 18, 28, ["open", "coatcheck", 10, 10]],
    ]);
  });

  test("give each function's own time, from all of its callers", () => {
    const percent = [...selfTimes(fold(profile))].map(([name, share]) => [name, Math.round(share * 100)]);
    assert.deepEqual(Object.fromEntries(percent), {
      "open  src/request/opener.ts:10": 50,
      "(anonymous)  redis/dist/index.js:10": 30,
      "createHash  node:crypto:10": 2,
      "handle  bench/apps/express.ts:10": 18,
    });
  });

  test("are positioned above their callers, without frames that are too narrow", () => {
    const root = fold({ ...profile, timeDeltas: profile.timeDeltas.map((time, i) => (i === 4 ? 0.2 : time)) });
    const positions = layOut(root).map(({ frame, from, row }) => [frame.name, Math.round(from * 100), row]);
    assert.deepEqual(positions, [
      ["open", 0, 0],
      ["(anonymous)", 0, 1],
      ["handle", 71, 0],
      ["open", 71, 1],
    ]);
  });

  test("are drawn with their names, and with their times in tooltips", () => {
    const svg = flameGraph(fold(profile), { name: "a <server>", cpu: 50 });
    assert.match(svg, /a &lt;server>: where the 50.0 µs of a request go/);
    assert.match(svg, />index.js:10<\/text>/);
    assert.match(svg, /<title>open, src\/request\/opener.ts:10\n36.0 µs \(72.0 %\), self 20.0 µs<\/title>/);
  });
});

describe("the load generator's cookies", () => {
  test("are kept, replaced and removed as in a browser", () => {
    const jar = new CookieJar("a=1; session=old; b=2");
    jar.take("session=new=; Path=/; HttpOnly");
    jar.take("seen=1; Path=/");
    jar.take("a=; Max-Age=0; Path=/");
    jar.take("b=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT");
    assert.equal(jar.header, "session=new=; seen=1");
  });
});

describe("the load generator's connections", () => {
  const answers = {
    "of a known length": ["HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n", "hello, world"],
    "in chunks": ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "2\r\nhe\r\na\r\nllo, world\r\n0\r\n\r\n"],
  };
  for (const [kind, [head, body]] of Object.entries(answers)) {
    test(`put together answers ${kind}, wherever they are cut`, async () => {
      const text = `${head}${body}`;
      for (let cut = 1; cut < text.length; cut++) assert.deepEqual(await received(text, cut), [head, "hello, world"]);
    });
  }

  test("refuse an answer that doesn't say where it ends", async () => {
    await assert.rejects(received("HTTP/1.1 200 OK\r\n\r\nhello", 20), /without Content-Length, and not in chunks/);
  });

  /** The head and the body of an answer that a server sends in two pieces. */
  async function received(text: string, cut: number): Promise<[head: string, body: string]> {
    const server = createServer((socket) => {
      socket.setNoDelay(true);
      socket.write(text.slice(0, cut));
      setTimeout(() => socket.end(text.slice(cut)), 2);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      return await new Promise((resolve, reject) => {
        const load = {
          answered: (_: Connection, head: string, body: string) => resolve([head, body]),
          failed: reject,
        };
        Connection.open((server.address() as AddressInfo).port, load, 0).catch(reject);
      });
    } finally {
      server.close();
    }
  }
});
