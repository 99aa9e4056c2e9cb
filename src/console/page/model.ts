// What the page shows, made of the states that the server sends.

import { type ConsoleState, NO_TOTALS, type ServerReport, type ServerTotals } from "../protocol.ts";
import { History } from "./history.ts";
import { percentile } from "./latency.ts";
import { ServerRates } from "./server-rates.ts";
import { endedOf, sum } from "./totals.ts";

/** A server with its rates. */
export interface ServerView extends ServerReport {
  /** By which the page names it beside its name: it has a colour for each. */
  number: number;
  /** What it counts in a second: nothing when it is gone. Undefined: not known yet. */
  rates: ServerTotals | undefined;
  p50: number | undefined;
  p99: number | undefined;
}

export interface View {
  state: ConsoleState;
  /** By their numbers. */
  servers: readonly ServerView[];
  /** What all servers together count in a second. Undefined: not known yet. */
  rates: ServerTotals | undefined;
  /** Latencies of the store's recent calls, by all servers. */
  p50: number | undefined;
  p99: number | undefined;
  /** For the charts. */
  history: History<Line>;
  /** What was counted in the last five minutes, as far as this page was open. */
  recent: Readonly<Record<Count, number>>;
}

const LINES = ["requests", "alive", "started", "ended", "p50", "p99"] as const;
export type Line = (typeof LINES)[number];

const COUNTS = [
  "requests",
  "started",
  "destroyed",
  "expired",
  "revoked",
  "replaced",
  "storeCalls",
  "storeErrors",
  "conflicts",
  "gone",
  "waits",
  "waited",
  "cacheHits",
  "cacheMisses",
  "forged",
  "unreadable",
] as const;
export type Count = (typeof COUNTS)[number];

export const isGone = ({ status }: Pick<ServerReport, "status">): boolean => status === "lost" || status === "stopped";

/** Of six: the style sheet has one for each. */
export const colourOf = ({ number }: Pick<ServerView, "number">): number => ((number - 1) % 6) + 1;

/** Takes the states of the stream, one after the other. */
export class Model {
  readonly #servers = new Map<string, { number: number; rates: ServerRates }>();
  readonly #lines = new History(LINES);
  readonly #counts = new History(COUNTS);

  /** `hasGap`: the stream was broken before this state, which the lines of the charts show. */
  accept(state: ConsoleState, hasGap = false): View {
    const reports = current(state.servers);
    this.#forget(reports);
    let counted = NO_TOTALS;
    const servers = reports.map((report): ServerView => {
      const known = this.#servers.get(report.id) ?? this.#meet(report);
      counted = sum(counted, known.rates.add(report));
      return {
        ...report,
        number: known.number,
        rates: report.status === "up" ? known.rates.rates() : NO_TOTALS,
        p50: known.rates.percentile(0.5),
        p99: known.rates.percentile(0.99),
      };
    });
    const up = servers.filter(({ status }) => status === "up");
    const rates = together(up.map((server) => server.rates));
    const recent = up.map(({ id }) => ({ ...NO_TOTALS, latency: this.#servers.get(id)!.rates.latency() }));
    const { latency } = recent.reduce(sum, NO_TOTALS);
    const [p50, p99] = [percentile(latency, 0.5), percentile(latency, 0.99)];

    const seconds = state.at / 1000;
    if (hasGap) this.#lines.push(seconds - 0.5, UNKNOWN_LINES);
    this.#lines.push(seconds, {
      requests: rates?.requests,
      alive: state.alive?.count,
      started: rates?.started,
      ended: rates && endedOf(rates),
      p50,
      p99,
    });
    this.#counts.push(seconds, { ...counted, ...counted.ended });
    return {
      state,
      servers: servers.sort((a, b) => a.number - b.number),
      rates,
      p50,
      p99,
      history: this.#lines,
      recent: Object.fromEntries(COUNTS.map((name) => [name, this.#counts.sum(name)])) as Record<Count, number>,
    };
  }

  /** Gives a server that is new the lowest number that is free. */
  #meet(report: ServerReport) {
    const taken = new Set([...this.#servers.values()].map(({ number }) => number));
    let number = 1;
    while (taken.has(number)) number++;
    const known = { number, rates: new ServerRates(report) };
    this.#servers.set(report.id, known);
    return known;
  }

  #forget(reports: readonly ServerReport[]): void {
    const ids = new Set(reports.map(({ id }) => id));
    for (const id of this.#servers.keys()) if (!ids.has(id)) this.#servers.delete(id);
  }
}

/** The sum of those that are known. Undefined: there are servers, and nothing is known of any. */
function together(rates: readonly (ServerTotals | undefined)[]): ServerTotals | undefined {
  const known = rates.filter((one) => one !== undefined);
  return known.length === 0 && rates.length > 0 ? undefined : known.reduce(sum, NO_TOTALS);
}

const UNKNOWN_LINES = Object.fromEntries(LINES.map((line) => [line, undefined])) as Record<Line, undefined>;

/** Leaves out servers that are gone and have started again under the same name. */
function current(reports: readonly ServerReport[]): ServerReport[] {
  return reports
    .filter((report) => !(isGone(report) && reports.some((other) => isSuccessor(other, report))))
    .sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }) || a.startedAt - b.startedAt);
}

const isSuccessor = (one: ServerReport, of: ServerReport): boolean =>
  one.name === of.name && one.startedAt > of.startedAt;
