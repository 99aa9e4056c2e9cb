import { type Estimate, estimate } from "../statistics.ts";

/** So many reads at a time. */
const BATCH = 20_000;
const ROUNDS = 30;
/** V8 has compiled everything by then. */
const WARM = 5;

/** Something to read from: so many sessions, each with a key by its number. */
interface Shelf<Of> {
  of: Of;
  among: number;
  keys(index: number): string;
  read(of: Of, key: string): unknown;
}

export interface Comparison {
  small: Estimate;
  large: Estimate;
  ratio: Estimate;
}

/** CPU nanoseconds of a read among few sessions and among many, in turn, each time of keys that are at hand. */
export async function compareReads<Of>(small: Shelf<Of>, large: Shelf<Of>): Promise<Comparison> {
  const samples = { small: [] as number[], large: [] as number[], ratio: [] as number[] };
  for (let round = 0; round < ROUNDS; round++) {
    const few = await time(small);
    const many = await time(large);
    if (round < WARM) continue;
    samples.small.push(few);
    samples.large.push(many);
    samples.ratio.push(many / few);
  }
  return { small: estimate(samples.small), large: estimate(samples.large), ratio: estimate(samples.ratio) };
}

async function time<Of>({ of, among, keys, read }: Shelf<Of>): Promise<number> {
  const wanted = Array.from({ length: BATCH }, () => keys(Math.floor(Math.random() * among)));
  const started = cpuTime();
  for (const key of wanted) await read(of, key);
  return ((cpuTime() - started) * 1_000) / BATCH;
}

/** Microseconds that this thread was on a CPU: what else runs on the machine is not in it. */
export function cpuTime(): number {
  // The kernel brings a thread's time up to date when the process's is asked for, else every 4 ms.
  process.cpuUsage();
  const { user, system } = process.threadCpuUsage();
  return user + system;
}
