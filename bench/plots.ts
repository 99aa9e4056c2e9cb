// Draws the pictures of a run: added CPU time, lost updates, latency.
import type { EChartsOption, SeriesOption, XAXisComponentOption } from "echarts";
import { colours, draw, widthOf } from "./drawing.ts";
import type { LatencyResults, LatencyRow } from "./latency-results.ts";
import { GROUPS } from "./report.ts";
import type { Results, Row } from "./results.ts";
import { type ScenarioName, scenarios } from "./scenarios.ts";
import type { Estimate } from "./statistics.ts";

const LINE = 24;
const GAP = 48;
/** Room for the heading, the legend, and the panels' titles. */
const TOP = 64;
const LABEL_SIZE = 12;
/** The font size at which plain text is as wide as bold labels. */
const BOLD = 14.5;

/** The comparisons that people ask about, by the ids of their rows. */
const ASKED: readonly (readonly [title: string, ids: readonly string[]])[] = [
  ["In memory, on Express", ["coatcheck-express+memory", "express-session+memory"]],
  ["In Redis, on Express", ["coatcheck-express+redis", "connect-redis+redis"]],
  ["In PostgreSQL, on Express", ["coatcheck-express+postgres", "connect-pg-simple+postgres"]],
  [
    "In a sealed cookie, on Fastify",
    ["coatcheck-fastify+cookie", "coatcheck-fastify-xchacha+cookie", "secure-session+cookie"],
  ],
  ["In a sealed cookie, on node:http", ["coatcheck-node+cookie", "iron-session+cookie"]],
];

/** SVG pictures of a run, by name. `added` has the rows that people ask about if the run has them, and `all` the others, too. */
export function plots(results: Results): Record<string, string> {
  const asked = ASKED.flatMap(([title, ids]) => {
    const rows = ids.flatMap((id) => results.rows.find((row) => row.id === id) ?? []);
    return rows.length < ids.length ? [] : [title, ...rows];
  });
  const drawn = (rows: readonly Row[], plot: (lines: readonly Line<Row>[]) => string) => {
    const lines = GROUPS.flatMap(({ title, stores }) => {
      const own = rows.filter(({ store }) => stores.includes(store));
      return own.length === 0 ? [] : [title, ...own];
    });
    return lines.length === 0 ? undefined : plot(lines);
  };
  const all = drawn(results.rows, addedPlot);
  const pictures = {
    ...(asked.length === 0 ? { added: all } : { added: addedPlot(asked), all }),
    "lost-updates": drawn(
      results.rows.filter(({ survivors }) => survivors),
      lostUpdatesPlot,
    ),
  };
  return Object.fromEntries(
    Object.entries(pictures).flatMap(([name, svg]) => (svg === undefined ? [] : [[name, svg]])),
  );
}

/** An item, or the heading of the items that follow. */
type Line<Item> = Item | string;

function itemsOf<Item extends object>(lines: readonly Line<Item>[]): Item[] {
  return lines.filter((line) => typeof line !== "string");
}

function addedPlot(lines: readonly Line<Row>[]): string {
  const rows = itemsOf(lines);
  const names = ORDER.filter((name) => rows[0]!.cells[name]);
  const added = (row: Row, name: ScenarioName) => row.cells[name]!.added;
  const axis = logAxis(
    rows.flatMap((row) => names.flatMap((name) => [added(row, name).low, added(row, name).high])),
    1,
  );
  const words = rows.map(
    (row) => `${labelOf(row)}: ${names.map((name) => `${name} ${figure(added(row, name))}`).join(", ")}`,
  );
  return panels({
    heading: "CPU microseconds that a session adds to a request (less is better, logarithmic scale)",
    text: `Medians, with 95 % confidence intervals. ${words.join(". ")}.`,
    ...labelled(lines, labelOf),
    width: 240,
    panels: names.map((name) => ({
      title: scenarios[name].title,
      axis,
      series: dotsWithIntervals(lines, (row) => added(row, name), axis.min),
    })),
  });
}

function lostUpdatesPlot(lines: readonly Line<Row>[]): string {
  const bars = (of: (row: Row) => number): Series => [
    {
      type: "bar",
      barWidth: "60%",
      label: { show: true, position: "right", color: colours.text, fontSize: 11 },
      data: lines.map((line) =>
        typeof line === "string" ? "-" : { value: of(line), itemStyle: { color: colourOf(line) } },
      ),
    },
  ];
  const words = itemsOf(lines).map((row) => {
    const { keys, increments } = row.survivors!;
    return `${labelOf(row)}: ${keys} of 50 keys, ${increments} of 100 increments`;
  });
  return panels({
    heading: "Concurrent writes to one session that survive (more is better)",
    text: `${words.join(". ")}.`,
    ...labelled(lines, labelOf),
    width: 300,
    panels: [
      {
        title: "of 50 keys, one for each request",
        axis: { type: "value", max: 50 },
        series: bars(({ survivors }) => survivors!.keys),
      },
      {
        title: "of 100 increments",
        axis: { type: "value", max: 100 },
        series: bars(({ survivors }) => survivors!.increments),
      },
    ],
  });
}

/** Lines from the median to p99.9, with a dot at p99, in milliseconds. */
export function latencyPlot({ rows }: LatencyResults): string {
  const situations = [...Map.groupBy(rows, ({ situation, rate }) => `${situation}, ${rate} requests a second`)];
  const asEstimate = ({ latency: { p50, p99, p999 } }: LatencyRow) => ({
    low: p50,
    median: p99,
    high: p999,
    sound: true,
  });
  const words = situations.flatMap(([title, own]) =>
    own.map(({ name, latency: { p50, p99, p999 } }) => `${name} · ${title}: ${p50}, ${p99}, ${p999}`),
  );
  const lines = situations.flatMap(([title, own]) => [title, ...own]);
  const axis = logAxis(
    rows.flatMap(({ latency: { p50, p999 } }) => [p50, p999]),
    0.1,
  );
  return panels({
    heading: "Time to the answer (less is better, logarithmic scale)",
    text: `Median, p99 and p99.9 in milliseconds. ${words.join(". ")}.`,
    ...labelled(lines, ({ name }) => name),
    width: 480,
    panels: [
      {
        title: "milliseconds: median to p99.9, the dot is p99",
        axis,
        series: dotsWithIntervals(lines, asEstimate, axis.min),
      },
    ],
  });
}

const ORDER: ScenarioName[] = ["read", "change", "new"];

type Series = (SeriesOption & object)[];

interface Panels {
  heading: string;
  /** The whole picture in words. */
  text: string;
  labels: string[];
  /** The indexes of the labels that are headings. */
  headings: ReadonlySet<number>;
  width: number;
  panels: { title: string; axis: XAXisComponentOption; series: Series }[];
}

function labelled<Item extends object>(lines: readonly Line<Item>[], labelOf: (item: Item) => string) {
  return {
    labels: lines.map((line) => (typeof line === "string" ? line : labelOf(line))),
    headings: new Set(lines.flatMap((line, i) => (typeof line === "string" ? [i] : []))),
  };
}

/** Panels side by side, which share their lines and the labels at the left. */
function panels({ heading, text, labels, headings, width, panels }: Panels): string {
  const labelWidth = Math.max(...labels.map((label, i) => widthOf([label], headings.has(i) ? BOLD : LABEL_SIZE))) + 16;
  const height = labels.length * LINE;
  const leftOf = (i: number) => labelWidth + i * (width + GAP);
  const titleAt = (text: string, left: number, top: number, fontSize: number) => ({
    ...{ text, left, top, padding: 0 },
    textStyle: { fontSize, color: colours.text },
  });
  const option: EChartsOption = {
    title: [titleAt(heading, 8, 6, 15), ...panels.map(({ title }, i) => titleAt(title, leftOf(i), 38, 14))],
    graphic: legend(),
    grid: panels.map((_, i) => ({ left: leftOf(i), top: TOP, width, height })),
    xAxis: panels.map(({ axis }, i) => ({
      ...axis,
      gridIndex: i,
      axisLabel: { ...axis.axisLabel, color: colours.text },
      splitLine: { lineStyle: { color: colours.faint } },
    })) as XAXisComponentOption[],
    yAxis: panels.map((_, i) => ({
      gridIndex: i,
      type: "category",
      data: labels.map((value, line) => (headings.has(line) ? { value, textStyle: { fontWeight: "bold" } } : value)),
      inverse: true,
      axisTick: { show: false },
      axisLine: { lineStyle: { color: colours.faint } },
      axisLabel: { show: i === 0, interval: 0, color: colours.text, fontSize: LABEL_SIZE },
    })),
    series: panels.flatMap(({ series }, i) =>
      series.map((one) => ({ ...one, xAxisIndex: i, yAxisIndex: i })),
    ) as Series,
  };
  return draw(option, { width: leftOf(panels.length), height: TOP + height + 40 }, { title: heading, text });
}

function legend() {
  let left = 8;
  return (["ours", "peer"] as const).flatMap((whose) => {
    const text = { ours: "coatcheck", peer: "others" }[whose];
    const dot = { cx: left + 5, cy: 46, r: 5 };
    const label = { text, x: left + 16, y: 40, fontSize: LABEL_SIZE, fill: colours.text };
    left += 16 + widthOf([text], LABEL_SIZE) + 14;
    return [
      { type: "circle" as const, shape: dot, style: { fill: colours[whose] } },
      { type: "text" as const, style: label },
    ];
  });
}

/** A logarithmic axis that holds the values. Smaller values than `least` are shown at `least`. */
function logAxis(values: readonly number[], least: number) {
  const exponents = values.map((value) => Math.log10(Math.max(value, least)));
  const [min, max] = [10 ** Math.floor(Math.min(...exponents)), 10 ** Math.ceil(Math.max(...exponents))];
  const formatter = (value: number) =>
    `${value === least ? "≤ " : ""}${value.toLocaleString("en", { notation: "compact" })}`;
  return { type: "log" as const, min, max, axisLabel: { formatter } };
}

/** A dot for the median, with its figure above, and a line for the interval. Smaller values than `least` are shown at `least`. */
function dotsWithIntervals<Item extends { ours: boolean }>(
  lines: readonly Line<Item>[],
  estimateOf: (item: Item) => Estimate,
  least: number,
): Series {
  const items = lines.flatMap((item, y) => (typeof item === "string" ? [] : [{ y, item, ...estimateOf(item) }]));
  const shown = (value: number) => Math.max(value, least);
  return [
    {
      type: "custom",
      silent: true,
      data: items.map(({ low, high, y }) => [shown(low), shown(high), y]),
      renderItem(params, api) {
        const [x1, y] = api.coord([api.value(0), api.value(2)]) as [number, number];
        const [x2] = api.coord([api.value(1), api.value(2)]) as [number, number];
        const stroke = colourOf(items[params.dataIndex]!.item);
        return { type: "line", shape: { x1, y1: y, x2, y2: y }, style: { stroke, lineWidth: 3 } };
      },
    },
    {
      type: "scatter",
      silent: true,
      symbolSize: 9,
      data: items.map(({ median, y, item }) => ({
        value: [shown(median), y],
        itemStyle: { color: colourOf(item), opacity: 1 },
        label: {
          ...{ show: true, position: "top", distance: 1, fontSize: 10, color: colours.text },
          formatter: median.toFixed(median < 9.95 ? 1 : 0),
        },
      })),
    },
  ];
}

function colourOf({ ours }: { ours: boolean }): string {
  return ours ? colours.ours : colours.peer;
}

function labelOf({ name, framework }: Row): string {
  return `${name} · ${framework}`;
}

function figure({ median, low, high }: Estimate): string {
  return `${median.toFixed(0)} (${low.toFixed(0)} to ${high.toFixed(0)})`;
}
