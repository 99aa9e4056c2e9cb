// node --expose-gc bench/memory/measure.ts contender count seconds: measures one contender and prints JSON.
import { monitorEventLoopDelay, PerformanceObserver } from "node:perf_hooks";
import { getHeapSpaceStatistics } from "node:v8";
import { compareReads, cpuTime } from "./compare-reads.ts";
import { type Contender, contenders, SWEPT } from "./contenders.ts";
import { keyOf, textOf } from "./sessions.ts";

export type Figures = Awaited<ReturnType<typeof measure>>;

const MINUTES = 60_000;
const SMALL = 1_000;

let longestTurn = 0;
let lastTurn = cpuTime();

async function measure(open: () => Contender, count: number, seconds: number) {
  await work(open(), SMALL, 2_000);
  const before = await used();
  const store = open();
  const filling = watchPauses();
  await fill(store, 0, count / 2);
  const early = filling.stop();
  const half = await used();
  const fillingOn = watchPauses();
  await fill(store, count / 2, count);
  const fillPauses = worse(early, fillingOn.stop());
  const after = await used();

  const small = open();
  await fill(small, 0, SMALL);
  const reading = { keyOf, read: (store: Contender, key: string) => store.read(key) };
  const reads = await compareReads({ ...reading, source: small, count: SMALL }, { ...reading, source: store, count });
  const churning = watchPauses();
  const operations = await work(store, count, seconds * 1_000);
  const churn = { operations, ...churning.stop() };
  const churned = await used();
  const expiring = watchPauses();
  const started = cpuTime();
  const swept = await sweepAll(store, Date.now() + 100 * MINUTES);
  const sweep = store.sweep && { swept, cpu: (cpuTime() - started) / swept };
  return {
    count,
    each: share(before, after, count),
    eachMore: share(half, after, count / 2),
    eachAfterChurn: share(before, churned, count),
    fill: fillPauses,
    reads,
    churn,
    sweep: sweep && { ...sweep, ...expiring.stop() },
  };
}

/** Sessions live for 20 minutes and begin at even times over 20 minutes. */
function endOf(index: number): number {
  return Date.now() + 20 * MINUTES + (index % 12_000) * 100;
}

async function fill(store: Contender, from: number, to: number): Promise<void> {
  for (let index = from; index < to; index++) {
    await store.create(keyOf(index), textOf(index), endOf(index));
    if (index % 100 === 0) await turn();
  }
}

/**
 * Of ten operations, six read, two update, one replaces a session by another, and one by another that expires within
 * seconds. Sweeps every second, unless the contender is `daily`.
 */
async function work(store: Contender, count: number, milliseconds: number): Promise<number> {
  const end = Date.now() + milliseconds;
  let swept = Date.now();
  let operations = 0;
  while (Date.now() < end) {
    for (let i = 0; i < 20; i++, operations++) {
      const index = Math.floor(Math.random() * count);
      const key = keyOf(index);
      const kind = operations % 10;
      if (kind < 6) await store.read(key);
      else if (kind < 8) await store.update(key, textOf(operations), endOf(index));
      else {
        await store.delete(key);
        await store.create(key, textOf(index), kind === 8 ? endOf(index) : Date.now() + 2_000);
      }
    }
    if (!store.daily && Date.now() - swept > 1_000) {
      swept = Date.now();
      await sweepAll(store, swept);
    }
    await turn();
  }
  return operations;
}

async function sweepAll(store: Contender, now: number): Promise<number> {
  for (let total = 0; ; ) {
    const swept = (await store.sweep?.(now)) ?? 0;
    total += swept;
    await turn();
    if (swept !== SWEPT) return total;
  }
}

/** The process's memory in bytes after garbage collection. */
async function used() {
  for (let i = 0; i < 3; i++) {
    globalThis.gc!();
    await new Promise((done) => setTimeout(done, 100));
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  // The young generation grows with the load, up to about 50 MB, whatever the store keeps.
  const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === "new_space")!.physical_space_size;
  return { rss, rssWithoutYoung: rss - young, heapAndExternal: heapUsed + external };
}

type Used = Awaited<ReturnType<typeof used>>;

function share(before: Used, after: Used, count: number): Used {
  const each = (name: keyof Used) => (after[name] - before[name]) / count;
  return { rss: each("rss"), rssWithoutYoung: each("rssWithoutYoung"), heapAndExternal: each("heapAndExternal") };
}

type Pauses = ReturnType<ReturnType<typeof watchPauses>["stop"]>;

/** Milliseconds of the longest garbage collection, and of the longest turn of the event loop by clock and by CPU time. */
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

function worse(one: Pauses, other: Pauses): Pauses {
  return {
    collections: one.collections + other.collections,
    longestCollection: Math.max(one.longestCollection, other.longestCollection),
    longestStall: Math.max(one.longestStall, other.longestStall),
    longestTurn: Math.max(one.longestTurn, other.longestTurn),
  };
}

async function turn(): Promise<void> {
  await new Promise(setImmediate);
  const now = cpuTime();
  longestTurn = Math.max(longestTurn, now - lastTurn);
  lastTurn = now;
}

const [id, count, seconds] = process.argv.slice(2);
console.log(JSON.stringify(await measure(contenders[id!]!.open, Number(count), Number(seconds))));
process.exit();
