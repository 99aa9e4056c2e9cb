// The lines of a chart, drawn by uPlot.

import { useLayoutEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { timeOfDay } from "../format.ts";
import { HISTORY_SECONDS } from "../history.ts";

interface Props {
  /** In seconds. */
  times: readonly number[];
  /** Of each line, as many as there are times. */
  values: readonly (readonly (number | null)[])[];
  formatScale: (value: number) => string;
  /** The place of the time under the pointer, if it is over the plot. */
  onHover: (place: number | undefined) => void;
}

export function Plot({ times, values, formatScale, onHover }: Props) {
  const ref = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const lines = values.length;
  useLayoutEffect(() => {
    const box = ref.current!;
    const made = new uPlot(optionsFor(box, lines, formatScale, onHover), undefined, box);
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize(sizeOf(box)));
    observer.observe(box);
    return () => {
      observer.disconnect();
      made.destroy();
    };
  }, [lines, formatScale, onHover]);
  useLayoutEffect(() => plot.current!.setData([times, ...values] as uPlot.AlignedData), [times, values]);
  return <div ref={ref} />;
}

const sizeOf = (box: HTMLElement) => ({ width: box.clientWidth, height: box.clientHeight });

function optionsFor(
  box: HTMLElement,
  lines: number,
  formatScale: Props["formatScale"],
  onHover: Props["onHover"],
): uPlot.Options {
  const style = getComputedStyle(box);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const axis = {
    stroke: colour("--soft"),
    font: `11px ${style.fontFamily}`,
    grid: { stroke: colour("--rule"), width: 1 },
    ticks: { show: false },
  };
  return {
    ...sizeOf(box),
    padding: [8, 14, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
    scales: {
      x: { range: (_, __, max) => [max - HISTORY_SECONDS, max] },
      y: { range: (_, __, max) => [0, roundUp(max)] },
    },
    axes: [
      {
        ...axis,
        size: 22,
        gap: 4,
        incrs: [60, 120],
        values: ({ scales }, times) => times.map((time) => labelOf(time, scales.x!.min!)),
        grid: { show: false },
      },
      {
        ...axis,
        size: 50,
        gap: 6,
        splits: (_, __, ___, max) => [0, max / 2, max],
        values: (_, values) => values.map((value) => formatScale(value)),
      },
    ],
    series: [
      {},
      ...Array.from({ length: lines }, (_, i) => ({
        stroke: colour(`--line-${i + 1}`),
        width: 2,
        points: { show: false },
        ...(lines === 1 && { fill: colour("--fill") }),
      })),
    ],
    hooks: { setCursor: [({ cursor }) => onHover(cursor.left! < 0 ? undefined : (cursor.idx ?? undefined))] },
  };
}

/** Hours and minutes, unless they would be in the way of the other axis. */
const labelOf = (time: number, first: number): string => (time < first + 15 ? "" : timeOfDay(time * 1000).slice(0, 5));

/** The next of a few numbers times a power of ten, so that the scale changes rarely. */
function roundUp(max: number | null): number {
  if (max === null || max <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(max));
  return power * ([1, 1.5, 2, 3, 4, 6, 8, 10].find((step) => step * power >= max * 1.05) ?? 15);
}
