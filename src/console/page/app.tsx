// The page.

import { Chart, type ChartProps } from "./charts/chart.tsx";
import type { Connection } from "./connection.ts";
import { Counts } from "./counts.tsx";
import { Farm } from "./farm/farm.tsx";
import { Figures } from "./figures.tsx";
import { count, milliseconds, rate, scaleCount } from "./format.ts";
import type { View } from "./model.ts";
import { Servers } from "./servers.tsx";
import { Finder } from "./sessions/finder.tsx";
import { Verdict } from "./verdict.tsx";

interface Props {
  connection: Connection;
  view: View | undefined;
}

export function App({ connection, view }: Props) {
  const state = view?.state;
  return (
    <>
      <header class="counter">
        <Verdict connection={connection} view={view} />
        <Farm view={view} isLive={connection.status === "live"} />
      </header>
      <main>
        <Figures view={view} />
        <div class="columns">
          <div class="column">
            <section class="charts" aria-label="The last five minutes as charts">
              {CHARTS.map((chart) => (
                <Chart key={chart.title} {...chart} view={view} />
              ))}
            </section>
            <Counts view={view} />
          </div>
          <Finder canList={state?.store.canList} now={state?.at ?? 0} />
        </div>
        <Servers view={view} />
      </main>
    </>
  );
}

const CHARTS: readonly Omit<ChartProps, "view">[] = [
  {
    title: "Requests a second",
    lines: [{ name: "requests", label: "Requests" }],
    format: rate,
    formatScale: scaleCount,
  },
  {
    title: "Store latency",
    lines: [
      { name: "p50", label: "p50" },
      { name: "p99", label: "p99" },
    ],
    format: milliseconds,
    formatScale: milliseconds,
  },
  { title: "Sessions alive", lines: [{ name: "alive", label: "Sessions" }], format: count, formatScale: scaleCount },
  {
    title: "Sessions a second",
    lines: [
      { name: "started", label: "begun" },
      { name: "ended", label: "ended" },
    ],
    format: rate,
    formatScale: scaleCount,
  },
];
