import type { EChartsOption, SeriesOption, XAXisComponentOption } from "echarts";
import { colours, draw, widthOf } from "./drawing.ts";
import type { LatencyResults, LatencyRow } from "./latency.ts";
import { GROUPS } from "./report.ts";
import type { Results, Row } from "./results.ts";
import { type ScenarioName, scenarios } from "./scenarios.ts";
import type { Estimate } from "./statistics.ts";

const LINE = 24;
const GAP = 34;
const LABEL_SIZE = 12;

/** SVG pictures of a run, by name. */
export function plots(results: Results): Record<string, string> {
  const rows = GROUPS.flatMap(({ stores }) => results.rows.filter((row) => stores.includes(row.store)));
  if (rows.length === 0) return {};
  return {
    added: addedPlot(rows),
    ...(rows.some(({ survivors }) => survivors) && { "lost-updates": lostUpdatesPlot(rows) }),
  };
}

function addedPlot(rows: readonly Row[]): string {
  const names = ORDER.filter((name) => rows[0]!.cells[name]);
  const added = (row: Row, name: ScenarioName) => row.cells[name]!.added;
  const words = rows.map(
    (row) => `${labelOf(row)}: ${names.map((name) => `${name} ${figure(added(row, name))}`).join(", ")}`,
  );
  return panels({
    heading: "CPU microseconds that a session adds to a request (less is better, steps of ten times)",
    text: `Medians, with the intervals that hold them 19 times in 20. ${words.join(". ")}.`,
    labels: rows.map(labelOf),
    width: 240,
    panels: names.map((name) => ({
      title: scenarios[name].title,
      axis: { type: "log", min: 1, max: 1000 },
      series: dotsWithIntervals(rows, (row) => added(row, name)),
    })),
  });
}

function lostUpdatesPlot(rows: readonly Row[]): string {
  const counted = rows.filter(({ survivors }) => survivors);
  const bars = (of: (row: Row) => number): Series => [
    {
      type: "bar",
      barWidth: "60%",
      label: { show: true, position: "right", color: colours.text, fontSize: 11 },
      data: counted.map((row) => ({ value: of(row), itemStyle: { color: colourOf(row) } })),
    },
  ];
  const words = counted.map((row) => {
    const { keys, increments } = row.survivors!;
    return `${labelOf(row)}: ${keys} of 50 keys, ${increments} of 100 increments`;
  });
  return panels({
    heading: "What is left of parallel writes to one session (more is better)",
    text: `${words.join(". ")}.`,
    labels: counted.map(labelOf),
    width: 300,
    panels: [
      {
        title: "of 50 keys, one a request",
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

/** A line from the median to p99 and on to p99.9, in milliseconds. */
export function latencyPlot({ rows }: LatencyResults): string {
  const situations = [...Map.groupBy(rows, ({ situation, rate }) => `${situation}, ${rate} requests a second`)];
  const labels = situations.flatMap(([title, own]) => own.map(({ name }) => `${name} · ${title}`));
  const all = situations.flatMap(([, own]) => own);
  const asEstimate = ({ latency: { p50, p99, p999 } }: LatencyRow) => ({
    low: p50,
    median: p99,
    high: p999,
    sound: true,
  });
  const words = all.map(({ latency: { p50, p99, p999 } }, i) => `${labels[i]}: ${p50}, ${p99}, ${p999}`);
  return panels({
    heading:
      "Milliseconds to the answer: from the median over p99 (the dot) to p99.9 (less is better, steps of ten times)",
    text: `Median, p99 and p99.9 in milliseconds. ${words.join(". ")}.`,
    labels,
    width: 420,
    panels: [
      { title: "", axis: { type: "log", min: 0.1, max: 10_000 }, series: dotsWithIntervals(all, asEstimate, 0.1) },
    ],
  });
}

const ORDER: ScenarioName[] = ["read", "change", "new"];

type Series = (SeriesOption & object)[];

interface Panels {
  heading: string;
  /** All of it in words. */
  text: string;
  labels: string[];
  width: number;
  panels: { title: string; axis: XAXisComponentOption; series: Series }[];
}

/** Pictures beside each other, which share their lines and the labels at the left. */
function panels({ heading, text, labels, width, panels }: Panels): string {
  const top = panels.some(({ title }) => title !== "") ? 64 : 40;
  const labelWidth = widthOf(labels, LABEL_SIZE) + 16;
  const height = labels.length * LINE;
  const leftOf = (i: number) => labelWidth + i * (width + GAP);
  const titleAt = (text: string, left: number, top: number, fontSize: number) => ({
    ...{ text, left, top, padding: 0 },
    textStyle: { fontSize, color: colours.text },
  });
  const option: EChartsOption = {
    title: [titleAt(heading, 8, 6, 15), ...panels.map(({ title }, i) => titleAt(title, leftOf(i), 32, 14))],
    grid: panels.map((_, i) => ({ left: leftOf(i), top, width, height })),
    xAxis: panels.map(({ axis }, i) => ({
      ...axis,
      gridIndex: i,
      axisLabel: { color: colours.text },
      splitLine: { lineStyle: { color: colours.faint } },
    })) as XAXisComponentOption[],
    yAxis: panels.map((_, i) => ({
      gridIndex: i,
      type: "category",
      data: labels,
      inverse: true,
      axisTick: { show: false },
      axisLine: { lineStyle: { color: colours.faint } },
      axisLabel: { show: i === 0, interval: 0, color: colours.text, fontSize: LABEL_SIZE },
    })),
    series: panels.flatMap(({ series }, i) =>
      series.map((one) => ({ ...one, xAxisIndex: i, yAxisIndex: i })),
    ) as Series,
  };
  return draw(option, { width: leftOf(panels.length), height: top + height + 40 }, { title: heading, text });
}

/** A dot for the value, a line for its interval. What is below the axis stands at its beginning. */
function dotsWithIntervals<Item extends { ours: boolean }>(
  items: readonly Item[],
  estimateOf: (item: Item) => Estimate,
  least = 1,
): Series {
  const shown = (value: number) => Math.max(value, least);
  return [
    {
      type: "custom",
      silent: true,
      data: items.map((item, i) => [shown(estimateOf(item).low), shown(estimateOf(item).high), i]),
      renderItem(params, api) {
        const [x1, y] = api.coord([api.value(0), api.value(2)]) as [number, number];
        const [x2] = api.coord([api.value(1), api.value(2)]) as [number, number];
        const stroke = colourOf(items[params.dataIndex]!);
        return { type: "line", shape: { x1, y1: y, x2, y2: y }, style: { stroke, lineWidth: 3 } };
      },
    },
    {
      type: "scatter",
      silent: true,
      symbolSize: 9,
      data: items.map((item, i) => ({
        value: [shown(estimateOf(item).median), i],
        itemStyle: { color: colourOf(item), opacity: 1 },
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
