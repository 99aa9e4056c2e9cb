// npm run chaos: tests every store and workload while faults are injected, in about ten minutes.
import { parseArgs } from "node:util";
import { campaign } from "./campaign.ts";
import { environments } from "./environments.ts";
import { combine, describeTotals, describeViolations, type Totals, totalsOf } from "./report.ts";
import { type Workload, workloads } from "./workloads.ts";

const STORES = Object.keys(environments);
const MODES = Object.keys(workloads) as Workload[];
const USAGE = `npm run chaos -- [--store ${STORES.join("|")}]
  [--mode ${MODES.join("|")}] [--seconds of each] [--seed number]`;

/** Stores whose servers hold all sessions themselves, without a second store or server that may take over. */
const WITHOUT_FAILOVER = STORES.filter((store) => !/failover|sentinel/.test(store));

/** The campaigns of a run without arguments, and the seconds of each. It takes about ten minutes. */
const PLAN: Record<Workload, { stores: readonly string[]; seconds: number }> = {
  merge: { stores: STORES, seconds: 8 },
  exclusive: { stores: STORES, seconds: 8 },
  cached: { stores: [...WITHOUT_FAILOVER, "redis-failover"], seconds: 8 },
  "long-requests": { stores: ["memory", "file", "redis", "postgres", "mysql", "azure-table", "cosmos"], seconds: 8 },
  rotation: { stores: ["file", "redis", "postgres"], seconds: 8 },
};

const { campaigns, seed } = readArguments();
console.log(`seed ${seed}, ${campaigns.length} campaigns`);
const all: Totals[] = [];
for (const { store, workload, seconds } of campaigns) {
  const name = `${store}, ${workload}`.padEnd(27);
  const progress = showProgress(name);
  const { totals, failure } = await campaign({ store, workload, seed, seconds, onFault: progress.onFault })
    .then(
      (result) => ({
        totals: totalsOf(result),
        failure: result.violations.length > 0 ? describeViolations(result) : undefined,
      }),
      (error) => ({ totals: undefined, failure: String(error) }),
    )
    .finally(progress.end);
  if (totals !== undefined) all.push(totals);
  console.log(`${failure ? "FAILED" : "ok    "} ${name} ${totals ? describeTotals(totals) : "broken off"}`);
  if (failure === undefined) continue;
  process.exitCode = 1;
  console.log(`\n${failure}\n`);
  console.log(`To repeat: npm run chaos -- --store ${store} --mode ${workload} --seconds ${seconds} --seed ${seed}\n`);
}
console.log(`\nseed ${seed}: ${describeTotals(combine(all))}`);
console.log(process.exitCode ? "There were failures." : "No acknowledged write was lost.");

/** Shows the current fault on a line of the terminal, which the result overwrites. */
function showProgress(name: string): { onFault(fault: string): void; end(): void } {
  if (!process.stdout.isTTY) return { onFault() {}, end() {} };
  const start = performance.now();
  let faults = 0;
  let last = "starting the servers";
  const show = () => {
    const elapsed = Math.round((performance.now() - start) / 1000);
    process.stdout.write(`\r\x1b[K       ${name} ${elapsed} s, ${faults} faults: ${last}`);
  };
  const timer = setInterval(show, 500);
  show();
  return {
    onFault(fault) {
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
    const modes = chosen("mode", values.mode, MODES) as Workload[];
    const stores = chosen("store", values.store, STORES);
    const isWhole = values.mode === undefined && values.store === undefined;
    const seed = number("seed", values.seed) ?? Math.floor(Math.random() * 1e6);
    const campaigns = stores
      .flatMap((store) => modes.map((workload) => ({ store, workload })))
      .filter(({ store, workload }) => !isWhole || PLAN[workload].stores.includes(store))
      // A cache in front of this process's memory tests nothing, and its sessions end with its secret.
      .filter(({ store, workload }) => store !== "memory" || (workload !== "cached" && workload !== "rotation"))
      .map((each) => ({ ...each, seconds: number("seconds", values.seconds) ?? PLAN[each.workload].seconds }));
    return { campaigns, seed };
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    process.exit(2);
  }
}

function chosen(option: string, value: string | undefined, all: readonly string[]): readonly string[] {
  if (value === undefined) return all;
  if (!all.includes(value)) throw new Error(`--${option}: unknown name "${value}".`);
  return [value];
}

function number(option: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (!/^\d+$/.test(value)) throw new Error(`--${option}: expected a whole number, got "${value}".`);
  return Number(value);
}
