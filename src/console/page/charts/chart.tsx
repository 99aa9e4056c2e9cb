// A chart of the last five minutes, with its newest values or those under the pointer.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { timeOfDay, UNKNOWN } from "../format.ts";
import type { Line, View } from "../model.ts";
import { useInView } from "./in-view.ts";
import { Plot } from "./plot.tsx";

export interface ChartProps {
  title: string;
  lines: readonly { name: Line; label: string }[];
  format: (value: number) => string;
  /** Of the numbers beside the chart. */
  formatScale: (value: number) => string;
  view: View | undefined;
}

export function Chart({ title, lines, format, formatScale, view }: ChartProps) {
  const [hovered, setHovered] = useState<number>();
  const theme = useTheme();
  const ref = useRef<HTMLDivElement>(null);
  const isInView = useInView(ref);
  const times = useMemo(() => view?.history.times() ?? [], [view]);
  const values = useMemo(() => lines.map(({ name }) => view?.history.values(name) ?? []), [view, lines]);
  const place = hovered ?? times.length - 1;
  const at = times[place];
  return (
    <figure class="chart card">
      <figcaption>
        <h3>{title}</h3>
        <dl>
          {lines.map(({ name, label }, i) => (
            <div key={name} data-line={i + 1} class={lines.length === 1 ? "only" : ""}>
              <dt>{label}</dt>
              <dd>{shown(values[i]![place], format)}</dd>
            </div>
          ))}
        </dl>
      </figcaption>
      <div class="plot" ref={ref} role="img" aria-label={describe(title, lines, values, format)}>
        {isInView && <Plot key={theme} {...{ times, values, formatScale }} onHover={setHovered} />}
        {hovered !== undefined && at !== undefined && <small>{timeOfDay(at * 1000)}</small>}
      </div>
    </figure>
  );
}

const shown = (value: number | null | undefined, format: ChartProps["format"]): string =>
  value == null ? UNKNOWN : format(value);

function describe(
  title: string,
  lines: ChartProps["lines"],
  values: readonly (readonly (number | null)[])[],
  format: ChartProps["format"],
): string {
  const ranges = lines.map(({ label }, i) => {
    const known = values[i]!.filter((value) => value !== null);
    if (known.length === 0) return `${label}: not known`;
    return `${label}: from ${format(Math.min(...known))} to ${format(Math.max(...known))}`;
  });
  return `${title}, the last five minutes. ${ranges.join(". ")}.`;
}

/** Changes with light and dark: a canvas does not follow the style sheet by itself. */
function useTheme(): "dark" | "light" {
  const [isDark, setIsDark] = useState(dark.matches);
  useEffect(() => {
    const onChange = () => setIsDark(dark.matches);
    dark.addEventListener("change", onChange);
    return () => dark.removeEventListener("change", onChange);
  }, []);
  return isDark ? "dark" : "light";
}

const dark = matchMedia("(prefers-color-scheme: dark)");
