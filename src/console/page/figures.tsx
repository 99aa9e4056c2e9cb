// The figures that answer the first questions: store, servers, failures, users, speed.

import { count, milliseconds, rate, span } from "./format.ts";
import { isGone, type View } from "./model.ts";

export function Figures({ view }: { view: View | undefined }) {
  return (
    <section aria-label="The most important figures">
      <dl class="figures">
        {figuresOf(view).map(({ name, value, note, isBad }) => (
          <div key={name} class={isBad ? "card bad" : "card"}>
            <dt>{name}</dt>
            <dd class="value">{value}</dd>
            <dd class="note">{note}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

interface Figure {
  name: string;
  value: string;
  note: string;
  isBad?: boolean;
}

function figuresOf(view: View | undefined): Figure[] {
  if (view === undefined) return NAMES.map((name) => ({ name, value: "–", note: "not known yet" }));
  const { state, servers, rates, p50, p99, recent } = view;
  const { store, alive } = state;
  const present = servers.filter((server) => !isGone(server)).length;
  const lost = servers.filter(({ status }) => status === "lost").length;
  const late = servers.filter(({ status }) => status === "late").length;
  const failures = recent.storeErrors + recent.unreadable;
  const [storeName, serversName, failuresName, aliveName, requestsName, latencyName] = NAMES;
  return [
    {
      name: storeName,
      value: store.status,
      note: `${store.name === "store" ? "" : `${store.name}, `}for ${span(state.at - store.since)}`,
      isBad: store.status === "down",
    },
    {
      name: serversName,
      value: count(present),
      note: lost > 0 ? `${lost} lost` : late > 0 ? `${late} late` : present === 0 ? "none reports" : "all report",
      isBad: lost > 0 || present === 0,
    },
    { name: failuresName, value: count(failures), note: "in five minutes", isBad: failures > 0 },
    {
      name: aliveName,
      value: count(alive?.count),
      note: alive
        ? `counted ${span(state.at - alive.countedAt)} ago`
        : store.canList
          ? "being counted"
          : "this store can't list",
    },
    {
      name: requestsName,
      value: rate(rates?.requests),
      note: rates?.requests ? `${(rates.storeCalls / rates.requests).toFixed(1)} round trips each` : "none comes in",
    },
    {
      name: latencyName,
      value: milliseconds(p99),
      note: p50 === undefined ? "no call" : `p99; p50 is ${milliseconds(p50)}`,
    },
  ];
}

const NAMES = ["Store", "Servers", "Failures", "Sessions alive", "Requests a second", "Store latency"] as const;
