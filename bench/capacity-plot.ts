// Draws the picture of docs/capacity.md: servers, shards and money by users.
import type { CustomSeriesOption, SeriesOption } from "echarts";
import { colours, draw, widthOf } from "./drawing.ts";

const SIZE = { width: 330, height: 330 };
const GAP = 76;
const TOP = 104;
/** Visible on light and dark pages. Stores with similar needs also differ in the kind of line. */
const LINES: readonly { color: string; type: "solid" | "dashed" | "dotted" }[] = [
  { color: "#8b949e", type: "dotted" },
  { color: "#d1495b", type: "solid" },
  { color: "#d1495b", type: "dashed" },
  { color: "#3f86d8", type: "solid" },
  { color: "#3f86d8", type: "dashed" },
  { color: "#8f68d6", type: "solid" },
  { color: "#8f68d6", type: "dashed" },
];
/** Dashed and dotted lines are drawn over solid ones, so that both show. */
const ORDER = { solid: 2, dashed: 3, dotted: 4 };
const DASHES = { solid: undefined, dashed: [5, 5], dotted: [3, 3] };

interface Panel {
  title: string;
  axis: { min: number; unit: string };
  /** Undefined if there is nothing to show. */
  range(need: Need): readonly [low: number, high: number] | undefined;
}

const PANELS: readonly Panel[] = [
  {
    title: "CPUs for sessions, in all servers",
    axis: { min: 0.1, unit: "" },
    range: ({ servers }) => (servers === undefined ? undefined : [servers, servers]),
  },
  {
    title: "shards: machines, partitions, accounts",
    axis: { min: 1, unit: "" },
    range: ({ nodes }) => (nodes === 0 ? undefined : [nodes, nodes]),
  },
  { title: "dollars a month; bands: least to most", axis: { min: 10, unit: "$" }, range: ({ dollars }) => dollars },
];

/** Servers, shards and money for each store, by concurrent users. */
export function capacityPlot(needs: readonly Need[]): string {
  const stores = [...Map.groupBy(needs, ({ name }) => name.replaceAll("`", ""))];
  const leftOf = (i: number) => 56 + i * (SIZE.width + GAP);
  const textAt = (text: string, left: number, top: number, fontSize: number) => ({
    ...{ text, left, top, padding: 0 },
    textStyle: { fontSize, color: colours.text },
  });
  const heading = "What a farm needs, by concurrent users (a model; logarithmic scale)";
  const million = needs.filter(({ users }) => Math.round(users) === 1e6);
  return draw(
    {
      title: [textAt(heading, 8, 6, 15), ...PANELS.map(({ title }, i) => textAt(title, leftOf(i), 76, 14))],
      graphic: legend(stores.map(([name]) => name)),
      grid: PANELS.map((_, i) => ({ left: leftOf(i), top: TOP, ...SIZE })),
      xAxis: PANELS.map((_, gridIndex) => ({
        gridIndex,
        type: "log",
        min: Math.min(...needs.map(({ users }) => users)),
        max: Math.max(...needs.map(({ users }) => users)),
        axisLabel: { color: colours.text, formatter: short },
        splitLine: { lineStyle: { color: colours.faint } },
      })),
      yAxis: PANELS.map(({ axis: { min, unit }, range }, gridIndex) => ({
        gridIndex,
        type: "log",
        min,
        max: 10 ** Math.ceil(Math.log10(Math.max(...needs.map((need) => range(need)?.[1] ?? min)))),
        axisLabel: { color: colours.text, formatter: (value: number) => `${unit}${short(value)}` },
        splitLine: { lineStyle: { color: colours.faint } },
      })),
      series: PANELS.flatMap(({ range }, i) => stores.flatMap(([, own], store) => line(own, range, i, LINES[store]!))),
    },
    { width: leftOf(PANELS.length) - GAP + 24, height: TOP + SIZE.height + 36 },
    { title: heading, text: `For a million users: ${million.map(inWords).join("; ")}.` },
  );
}

/** A line, with a band if the values are ranges. */
function line(
  needs: readonly Need[],
  range: Panel["range"],
  panel: number,
  { color, type }: (typeof LINES)[number],
): SeriesOption[] {
  const points = needs.flatMap((need) => {
    const found = range(need);
    return found ? [{ users: need.users, low: found[0], high: found[1] }] : [];
  });
  const axes = { xAxisIndex: panel, yAxisIndex: panel, silent: true };
  const band: CustomSeriesOption = {
    ...axes,
    type: "custom",
    clip: true,
    data: [0],
    renderItem: (_, api) => ({
      type: "polygon",
      shape: {
        points: [
          ...points.map(({ users, low }) => api.coord([users, low])),
          ...points.toReversed().map(({ users, high }) => api.coord([users, high])),
        ],
      },
      style: { fill: color, opacity: 0.12 },
    }),
  };
  const middle: SeriesOption = {
    ...axes,
    type: "line",
    symbol: "none",
    z: ORDER[type],
    lineStyle: { color, type: DASHES[type] ?? "solid", width: 2 },
    data: points.map(({ users, low, high }) => [users, Math.sqrt(low * high)]),
  };
  return points.some(({ low, high }) => low !== high) ? [band, middle] : [middle];
}

function legend(names: readonly string[]) {
  let left = 8;
  return names.flatMap((text, i) => {
    const { color: stroke, type } = LINES[i]!;
    const stretch = { x1: left, y1: 48, x2: left + 24, y2: 48 };
    const style = { stroke, lineWidth: 2, lineDash: DASHES[type] };
    const label = { text, x: left + 30, y: 42, fontSize: 12, fill: colours.text };
    left += 30 + widthOf([text], 12) + 14;
    return [
      { type: "line" as const, shape: stretch, style },
      { type: "text" as const, style: label },
    ];
  });
}

function short(value: number): string {
  return new Intl.NumberFormat("en", { notation: "compact" }).format(value);
}

function inWords({ name, servers, nodesText, dollars: [low, high] }: Need): string {
  const parts = [
    ...(servers === undefined ? [] : [`${servers.toFixed(1)} CPUs in the servers`]),
    ...(nodesText === "none" ? [] : [nodesText]),
    `$${short(low)} to $${short(high)} a month`,
  ];
  return `${name.replaceAll("`", "")} ${parts.join(", ")}`;
}

/** What one store needs for a number of users. */
export interface Need {
  name: string;
  users: number;
  /** CPUs that sessions take in the servers. Undefined if not measured. */
  servers?: number;
  /** The store's load, for the table. */
  store: string;
  gib: number;
  /** Machines of the store without standbys, or partitions or accounts of a service. */
  nodes: number;
  nodesText: string;
  /** The lowest and the highest price a month. */
  dollars: readonly [number, number];
}
