// npm run chaos: every store and mode, while things go wrong, in about ten minutes.
import { parseArgs } from "node:util";
import { type CampaignResult, campaign } from "./campaign.ts";
import { type Discipline, disciplines } from "./crowd.ts";
import { places } from "./places.ts";
import { describeTotals, describeViolations, totalsOf } from "./report.ts";

const USAGE = `npm run chaos -- [--store ${Object.keys(places).join("|")}]
  [--mode ${disciplines.join("|")}] [--seconds of each] [--seed number]`;
const TEN_MINUTES = 600;
/** Seconds that a campaign takes beside its own: its servers start, and what was seen is checked. */
const AROUND = 6;

const { stores, modes, seed, seconds } = readArguments();
console.log(`seed ${seed}, ${seconds} s for each of ${stores.length * modes.length} campaigns`);
const results: CampaignResult[] = [];
for (const store of stores) {
  for (const discipline of modes) {
    const name = `${store}, ${discipline}`.padEnd(26);
    const progress = showProgress(name);
    const result = await campaign({ store, discipline, seed, seconds, happens: progress.happens }).finally(
      progress.end,
    );
    results.push(result);
    const { violations } = result;
    console.log(`${violations.length === 0 ? "ok    " : "FAILED"} ${name} ${describeTotals(totalsOf([result]))}`);
    if (violations.length === 0) continue;
    process.exitCode = 1;
    console.log(`\n${describeViolations(result)}\n`);
    console.log(`Again: npm run chaos -- --store ${store} --mode ${discipline} --seconds ${seconds} --seed ${seed}\n`);
  }
}
console.log(`\nseed ${seed}: ${describeTotals(totalsOf(results))}`);
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
    const stores = chosen("store", values.store, Object.keys(places));
    const modes = chosen("mode", values.mode, disciplines) as Discipline[];
    const seed = number("seed", values.seed) ?? Math.floor(Math.random() * 1e6);
    const seconds =
      number("seconds", values.seconds) ?? TEN_MINUTES / (Object.keys(places).length * disciplines.length) - AROUND;
    return { stores, modes, seed, seconds: Math.round(seconds) };
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
