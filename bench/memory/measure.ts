// node --expose-gc bench/memory/measure.ts contender count seconds: one contender's figures, as JSON on the standard output.
import { hash } from "node:crypto";
import { monitorEventLoopDelay, PerformanceObserver } from "node:perf_hooks";
import { getHeapSpaceStatistics } from "node:v8";
import { estimate } from "../statistics.ts";
import { type Keeper, keepers } from "./contenders.ts";

export type Figures = Awaited<ReturnType<typeof measure>>;

const MINUTES = 60_000;
const SMALL = 1_000;
/** So many that a clock of 4 ms can tell. */
const BATCH = 20_000;

let longestTurn = 0;
let lastTurn = cpuTime();

async function measure(open: () => Keeper, count: number, seconds: number) {
  await work(open(), SMALL, 2_000);
  const before = await used();
  const keeper = open();
  const filling = watchPauses();
  await fill(keeper, count);
  const fillPauses = filling.stop();
  const after = await used();

  const small = open();
  await fill(small, SMALL);
  const reads = await readBoth(small, keeper, count);
  const churning = watchPauses();
  const operations = await work(keeper, count, seconds * 1_000);
  const churn = { operations, ...churning.stop() };
  const churned = await used();
  const expiring = watchPauses();
  const started = cpuTime();
  const swept = await keeper.sweep?.(Date.now() + 100 * MINUTES);
  const sweep = swept === undefined ? undefined : { swept, cpu: (cpuTime() - started) / swept };
  return {
    count,
    each: share(before, after, count),
    eachAfterChurn: share(before, churned, count),
    fill: fillPauses,
    reads,
    churn,
    sweep: sweep && { ...sweep, ...expiring.stop() },
  };
}

const digest = Buffer.alloc(18);

/** A new key as the core makes them: 24 characters of base64url, one string of its own. */
function keyOf(index: number): string {
  digest.write(hash("sha256", String(index), "hex"), "hex");
  return digest.toString("base64url");
}

/** JSON of 280 to 320 bytes, in the mean 300. */
function textOf(index: number): string {
  const size = 280 + ((Math.imul(index, 0x9e3779b1) >>> 0) % 41);
  const session = {
    user: { id: index, name: `User ${index}`, roles: ["customer"] },
    cart: [{ sku: `A-${index % 9973}`, quantity: 1 + (index % 5), price: 1999 }],
    locale: "en-GB",
    theme: "dark",
    csrf: keyOf(-index),
    views: index % 100,
    note: "",
  };
  session.note = "n".repeat(size - JSON.stringify(session).length);
  return JSON.stringify(session);
}

/** 20 minutes of life, begun over the last 20. */
function endOf(index: number): number {
  return Date.now() + 20 * MINUTES + (index % 12_000) * 100;
}

async function fill(keeper: Keeper, count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    await keeper.create(keyOf(index), textOf(index), endOf(index));
    if (index % 100 === 0) await turn();
  }
}

/** Six reads of ten, two updates, one end and beginning, one session that expires within seconds; a sweep every second. */
async function work(keeper: Keeper, count: number, milliseconds: number): Promise<number> {
  const end = Date.now() + milliseconds;
  let swept = Date.now();
  let operations = 0;
  while (Date.now() < end) {
    for (let i = 0; i < 20; i++, operations++) {
      const index = Math.floor(Math.random() * count);
      const key = keyOf(index);
      const kind = operations % 10;
      if (kind < 6) await keeper.read(key);
      else if (kind < 8) await keeper.update(key, textOf(operations), endOf(index));
      else {
        await keeper.delete(key);
        await keeper.create(key, textOf(index), kind === 8 ? endOf(index) : Date.now() + 2_000);
      }
    }
    if (Date.now() - swept > 1_000) {
      swept = Date.now();
      await keeper.sweep?.(swept);
    }
    await turn();
  }
  return operations;
}

/** CPU nanoseconds of a read among few sessions and among all, in turn, each time of keys that are at hand. */
async function readBoth(small: Keeper, large: Keeper, count: number) {
  const samples = { small: [] as number[], large: [] as number[], ratio: [] as number[] };
  const time = async (keeper: Keeper, among: number) => {
    const keys = Array.from({ length: BATCH }, () => keyOf(Math.floor(Math.random() * among)));
    const started = cpuTime();
    for (const key of keys) await keeper.read(key);
    return ((cpuTime() - started) * 1_000) / BATCH;
  };
  for (let round = 0; round < 30; round++) {
    const few = await time(small, SMALL);
    const all = await time(large, count);
    if (round < 5) continue;
    samples.small.push(few);
    samples.large.push(all);
    samples.ratio.push(all / few);
    await turn();
  }
  return { small: estimate(samples.small), large: estimate(samples.large), ratio: estimate(samples.ratio) };
}

/** What the process holds after garbage is taken out, in bytes. */
async function used() {
  for (let i = 0; i < 3; i++) {
    globalThis.gc!();
    await new Promise((done) => setTimeout(done, 100));
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  // It grows with the load, up to some 50 MB, whatever is kept.
  const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space")!.physical_space_size;
  return { rss, rssWithoutYoung: rss - young, heapAndExternal: heapUsed + external };
}

type Used = Awaited<ReturnType<typeof used>>;

function share(before: Used, after: Used, count: number): Used {
  const each = (name: keyof Used) => (after[name] - before[name]) / count;
  return { rss: each("rss"), rssWithoutYoung: each("rssWithoutYoung"), heapAndExternal: each("heapAndExternal") };
}

/** Milliseconds: the longest pauses for garbage, and turns of the event loop by the clock and by the thread's CPU time. */
function watchPauses() {
  const collections: number[] = [];
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) collections.push(duration);
  });
  observer.observe({ entryTypes: ["gc"] });
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  longestTurn = 0;
  lastTurn = cpuTime();
  return {
    stop() {
      for (const { duration } of observer.takeRecords()) collections.push(duration);
      observer.disconnect();
      delay.disable();
      return {
        collections: collections.length,
        longestCollection: collections.reduce((longest, one) => Math.max(longest, one), 0),
        longestStall: delay.max / 1e6,
        longestTurn: longestTurn / 1_000,
      };
    },
  };
}

/** Microseconds that this thread was on a CPU: what else runs on the machine is not in it. */
function cpuTime(): number {
  const { user, system } = process.threadCpuUsage();
  return user + system;
}

async function turn(): Promise<void> {
  await new Promise(setImmediate);
  const now = cpuTime();
  longestTurn = Math.max(longestTurn, now - lastTurn);
  lastTurn = now;
}

const [contender, count, seconds] = process.argv.slice(2);
console.log(JSON.stringify(await measure(keepers[contender!]!.open, Number(count), Number(seconds))));
process.exit();
