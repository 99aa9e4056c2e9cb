// npm run chaos: every store and mode, while things go wrong, in about ten minutes.
import { parseArgs } from "node:util";
import { campaign } from "./campaign.ts";
import { type Discipline, disciplines } from "./crowd.ts";
import { places } from "./places.ts";
import { describeTotals, describeViolations, type Totals, together, totalsOf } from "./report.ts";

const USAGE = `npm run chaos -- [--store ${Object.keys(places).join("|")}]
  [--mode ${disciplines.join("|")}] [--seconds of each] [--seed number]`;
const TEN_MINUTES = 600;
/** Seconds that a campaign takes beside its own: its servers start, and what was seen is checked. */
const AROUND = 6;
const ALL = Object.keys(places).length * disciplines.length;

const { campaigns, seed, seconds } = readArguments();
console.log(`seed ${seed}, ${seconds} s for each of ${campaigns.length} campaigns`);
const all: Totals[] = [];
for (const { store, discipline } of campaigns) {
  const name = `${store}, ${discipline}`.padEnd(26);
  const progress = showProgress(name);
  const result = await campaign({ store, discipline, seed, seconds, happens: progress.happens }).finally(progress.end);
  const totals = totalsOf(result);
  all.push(totals);
  const { violations } = result;
  console.log(`${violations.length === 0 ? "ok    " : "FAILED"} ${name} ${describeTotals(totals)}`);
  if (violations.length === 0) continue;
  process.exitCode = 1;
  console.log(`\n${describeViolations(result)}\n`);
  console.log(`Again: npm run chaos -- --store ${store} --mode ${discipline} --seconds ${seconds} --seed ${seed}\n`);
}
console.log(`\nseed ${seed}: ${describeTotals(together(all))}`);
console.log(process.exitCode ? "Something was lost." : "Nothing was lost that had been acknowledged.");

/** What happens just now, on a line of a terminal that the result takes over. */
function showProgress(name: string): { happens(fault: string): void; end(): void } {
  if (!process.stdout.isTTY) return { happens() {}, end() {} };
  const start = performance.now();
  let faults = 0;
  let last = "the servers start";
  const show = () => {
    const elapsed = Math.round((performance.now() - start) / 1000);
    process.stdout.write(`\r\x1b[K       ${name} ${elapsed} s, ${faults} faults: ${last}`);
  };
  const timer = setInterval(show, 500);
  show();
  return {
    happens(fault) {
      faults++;
      last = fault;
      show();
    },
    end() {
      clearInterval(timer);
      process.stdout.write("\r\x1b[K");
    },
  };
}

function readArguments() {
  try {
    const { values } = parseArgs({
      options: {
        store: { type: "string" },
        mode: { type: "string" },
        seconds: { type: "string" },
        seed: { type: "string" },
      },
    });
    const modes = chosen("mode", values.mode, disciplines) as Discipline[];
    const campaigns = chosen("store", values.store, Object.keys(places))
      .flatMap((store) => modes.map((discipline) => ({ store, discipline })))
      // Copies of what is in this memory would be nothing but copies.
      .filter(({ store, discipline }) => store !== "memory" || discipline !== "cached");
    const seed = number("seed", values.seed) ?? Math.floor(Math.random() * 1e6);
    const seconds = number("seconds", values.seconds) ?? Math.round(TEN_MINUTES / ALL) - AROUND;
    return { campaigns, seed, seconds };
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    process.exit(2);
  }
}

function chosen(option: string, value: string | undefined, all: readonly string[]): readonly string[] {
  if (value === undefined) return all;
  if (!all.includes(value)) throw new Error(`There is no ${option} "${value}".`);
  return [value];
}

function number(option: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (!/^\d+$/.test(value)) throw new Error(`--${option} takes a whole number, and not "${value}".`);
  return Number(value);
}
