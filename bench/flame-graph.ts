// Draws flame graphs of profiles.
import type { CustomSeriesOption } from "echarts";
import { colours, draw, fitting, widthOf } from "./drawing.ts";
import { ANONYMOUS, type Frame, type Origin } from "./stacks.ts";

const WIDTH = 1600;
const MARGIN = 8;
const HEADING = 64;
const ROW = 18;
const FONT_SIZE = 11;
/** Pixels that a frame needs to show its name. */
const NAMED = 32;
/** A frame with a smaller share of the time is left out, together with its calls. */
const LEAST = 0.003;
/** Deeper stacks are cut off. */
const DEEPEST = 60;

const LEGEND: Record<Origin, { colour: string; text: string }> = {
  coatcheck: { colour: colours.green, text: "coatcheck" },
  application: { colour: colours.orange, text: "the application" },
  packages: { colour: colours.yellow, text: "packages" },
  node: { colour: colours.blue, text: "Node's own JavaScript" },
  native: { colour: colours.violet, text: "V8, garbage collection, the kernel" },
};

/** A frame and its position: `from` the left as a share of the width, and in which row from the bottom. */
export interface PositionedFrame {
  frame: Frame;
  from: number;
  row: number;
}

/** Positions each frame above its caller. Leaves out the root, and frames that are too narrow to be seen. */
export function layOut(root: Frame): PositionedFrame[] {
  const frames: PositionedFrame[] = [];
  const addCalls = ({ calls }: Frame, from: number, row: number) => {
    if (row === DEEPEST) return;
    for (const frame of calls) {
      if (frame.total < LEAST) continue;
      frames.push({ frame, from, row });
      addCalls(frame, from, row + 1);
      from += frame.total;
    }
  };
  addCalls(root, 0, 0);
  return frames;
}

/** An SVG picture of where the time goes. `cpu` is the time of one request, in microseconds. */
export function flameGraph(root: Frame, { name, cpu }: { name: string; cpu: number }): string {
  const frames = layOut(root);
  const rows = Math.max(...frames.map(({ row }) => row)) + 1;
  const height = HEADING + rows * ROW + MARGIN;
  const inner = WIDTH - 2 * MARGIN;
  const origins = Object.entries(LEGEND).map(([origin, { text, colour }]) => ({
    label: `${text}: ${micro(ownTime(root, origin as Origin) * cpu)}`,
    colour,
  }));
  const series: CustomSeriesOption = {
    type: "custom",
    coordinateSystem: "none",
    data: frames.map((_, i) => i),
    renderItem(_, api) {
      const { frame, from, row } = frames[api.value(0) as number]!;
      const width = Math.max(frame.total * inner - 1, 0.5);
      return {
        type: "rect",
        emphasisDisabled: true,
        shape: { x: MARGIN + from * inner, y: height - MARGIN - (row + 1) * ROW, width, height: ROW - 1 },
        style: { fill: LEGEND[frame.origin].colour },
        ...(width > NAMED && {
          textContent: {
            type: "text",
            style: {
              ...{ text: labelOf(frame), fill: colours.text, fontSize: FONT_SIZE },
              ...{ width: fitting(width - 6), overflow: "truncate", ellipsis: "…" },
            },
          },
          textConfig: { position: "insideLeft", distance: 4 },
        }),
      };
    },
  };
  const heading = `${name}: where the ${micro(cpu)} of a request go`;
  return draw(
    {
      title: { text: heading, left: MARGIN, top: 8, padding: 0, textStyle: { fontSize: 15, color: colours.text } },
      graphic: legend(origins),
      series,
    },
    { width: WIDTH, height },
    {
      title: heading,
      text: `Each frame stands above its caller. Time in the functions themselves: ${origins.map(({ label }) => label).join(", ")}.`,
      tooltips: frames.map(({ frame }) => tooltip(frame, cpu)),
    },
  );
}

function legend(entries: readonly { label: string; colour: string }[]) {
  let left = MARGIN;
  return entries.flatMap(({ label, colour }) => {
    const box = { type: "rect" as const, shape: { x: left, y: 36, width: 12, height: 12 }, style: { fill: colour } };
    const style = { text: label, x: left + 18, y: 36, fontSize: 12, fill: colours.text };
    left += 18 + widthOf([label], 12) + 18;
    return [box, { type: "text" as const, style }];
  });
}

function labelOf({ name, location }: Frame): string {
  return name === ANONYMOUS ? location.slice(location.lastIndexOf("/") + 1) : name;
}

function tooltip({ name, location, total, self }: Frame, cpu: number): string {
  const where = location === "" ? name : `${name}, ${location}`;
  return `${where}\n${micro(total * cpu)} (${(total * 100).toFixed(1)} %), self ${micro(self * cpu)}`;
}

function ownTime({ origin, self, calls }: Frame, of: Origin): number {
  return calls.reduce((sum, call) => sum + ownTime(call, of), origin === of ? self : 0);
}

function micro(microseconds: number): string {
  return `${microseconds.toFixed(1)} µs`;
}
