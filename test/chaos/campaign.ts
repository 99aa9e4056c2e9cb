import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { tempDir } from "../servers/process.ts";
import { badLuck, serverFaults } from "./bad-luck.ts";
import { Browser } from "./browser.ts";
import { check, type Verdict } from "./checker/check.ts";
import type { CrowdOptions, Discipline } from "./crowd.ts";
import { type Farm, startFarm } from "./farm.ts";
import { type History, now, type Operation } from "./history.ts";
import { places } from "./places.ts";
import { randomFrom } from "./random.ts";

export interface CampaignOptions {
  /** A name in `places`. */
  store: string;
  discipline: Discipline;
  seed: number;
  /** How long browsers ask and things go wrong. */
  seconds: number;
  /** In each of the client processes. Default: 25. */
  browsers?: number;
  /** Hears of each fault as it happens. */
  happens?: (fault: string) => void;
}

export interface CampaignResult extends Verdict {
  history: History;
  /** How often each kind of fault happened. */
  faults: Map<string, number>;
  /** What the servers printed. */
  output: string;
}

const SERVERS = 3;
/** Client processes. */
const CROWDS = 2;

/** Milliseconds at the end in which nothing goes wrong any more. */
const QUIET = 1_500;

/** Milliseconds after which every server that keeps copies has noticed a revocation. */
const NOTICED_AFTER = 3_000;

/** Browsers use a farm while things go wrong; then everything that they saw is checked. */
export async function campaign(options: CampaignOptions): Promise<CampaignResult> {
  const { store, discipline, seed, seconds, browsers = 25, happens = () => {} } = options;
  const place = await places[store]!();
  const faults = new Map<string, number>();
  const note = (fault: string) => {
    faults.set(fault, (faults.get(fault) ?? 0) + 1);
    happens(fault);
  };
  let farm: Farm | undefined;
  try {
    const { store: name, options: its, inProcess = false } = place;
    const isCached = discipline === "cached";
    farm = await startFarm(inProcess ? 1 : SERVERS, { store: name, options: its, cached: isCached });
    const { ports } = farm;
    const until = now() + seconds * 1_000;
    const { "kill server": kill, ...harmless } = serverFaults(farm);
    const ofServers = inProcess ? harmless : { "kill server": kill!, ...harmless };
    const [asked] = await Promise.all([
      Promise.all(
        Array.from({ length: CROWDS }, (_, crowd) => startCrowd({ seed, discipline, ports, crowd, browsers, until })),
      ),
      badLuck(ofServers, { seed, stream: -1, until: until - QUIET, pause: [100, 900] }, note),
      badLuck(place.faults, { seed, stream: -2, until: until - QUIET, pause: [300, 1_800] }, note),
    ]);
    const operations = asked.flat();
    operations.push(await census(farm, operations));
    const history = {
      operations,
      ...(place.lossy && { lossy: place.lossy }),
      ...(isCached && { noticedAfter: NOTICED_AFTER }),
    };
    return { ...check(history), history, faults, output: farm.output() };
  } finally {
    await farm?.stop();
    await place.stop();
  }
}

/** A process of browsers that stop at a time of the monotonic clock. Resolves to what they did. */
async function startCrowd(options: CrowdOptions & { until: number }): Promise<Operation[]> {
  const file = join(tempDir("crowd"), "history");
  const process: ChildProcess = fork(new URL("./crowd-process.ts", import.meta.url), [
    JSON.stringify({ ...options, file }),
  ]);
  const [code] = await once(process, "exit");
  if (code !== 0) throw new Error(`a crowd ended with ${code}`);
  return readFileSync(file, "utf8")
    .split("\n")
    .filter(Boolean)
    .map((text) => {
      const operation = JSON.parse(text) as Operation;
      // JSON has no Infinity.
      return { ...operation, end: operation.end ?? Infinity };
    });
}

/** What is in the store, asked by one who needs no luck any more. */
async function census({ ports }: Farm, operations: Operation[]): Promise<Operation> {
  const witness = new Browser("witness", ports, randomFrom(0), () => {});
  for (let attempt = 1; ; attempt++) {
    const operation = await witness.ask({ kind: "census", mode: "none", think: 0, save: false });
    if (operation.outcome === "done") return operation;
    if (attempt === 10)
      throw new Error(`the store can't be listed after ${operations.length} operations: ${operation.reason}`);
    await sleep(500);
  }
}
