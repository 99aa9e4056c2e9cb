// Compares the CPU time of reads among few sessions and among many.
import { type Estimate, estimate } from "../statistics.ts";

/** Reads between two looks at the clock. */
const BATCH = 20_000;
const ROUNDS = 30;
/** Rounds that do not count. V8 has compiled everything by then. */
const WARM = 5;

/** Sessions to read. `keyOf` gives a session's key by its number. */
interface ReadTarget<Source> {
  source: Source;
  /** The number of sessions. */
  count: number;
  keyOf(index: number): string;
  read(source: Source, key: string): unknown;
}

export interface Comparison {
  small: Estimate;
  large: Estimate;
  ratio: Estimate;
}

/** CPU nanoseconds of a read, by turns among few sessions and among many. Making the random keys is not measured. */
export async function compareReads<Source>(small: ReadTarget<Source>, large: ReadTarget<Source>): Promise<Comparison> {
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

async function time<Source>({ source, count, keyOf, read }: ReadTarget<Source>): Promise<number> {
  const wanted = Array.from({ length: BATCH }, () => keyOf(Math.floor(Math.random() * count)));
  const started = cpuTime();
  for (const key of wanted) await read(source, key);
  return ((cpuTime() - started) * 1_000) / BATCH;
}

/** CPU microseconds of this thread, without other threads and processes. */
export function cpuTime(): number {
  // Asking for the process's time makes the kernel update the thread's, which it otherwise does every 4 ms.
  process.cpuUsage();
  const { user, system } = process.threadCpuUsage();
  return user + system;
}
