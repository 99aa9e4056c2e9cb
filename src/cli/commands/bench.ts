// coatcheck bench: how fast this store is, from this machine.

import { randomBytes } from "node:crypto";
import type { Command } from "commander";
import type { SessionStore } from "../../store.ts";
import { CliError, USAGE_ERROR } from "../cli-error.ts";
import { grouped, type Output } from "../output.ts";
import { onTarget, type TargetFlags, withTarget } from "../target.ts";

interface Flags extends TargetFlags {
  seconds: string;
  concurrency: string;
  json?: boolean;
}

export interface Latency {
  perSecond: number;
  p50: number;
  p99: number;
}

const LIFE_MS = 600_000;
const RECORD_BYTES = 1_000;

export function addBench(program: Command, output: Output): void {
  withTarget(program.command("bench"))
    .description("measure the store from here, with sessions of its own that it removes")
    .option("--seconds <number>", "how long each kind of call is measured", "3")
    .option("--concurrency <number>", "calls at the same time", "16")
    .option("--json", "print JSON")
    .action((flags: Flags) => {
      const [seconds, concurrency] = [Number(flags.seconds), Number(flags.concurrency)];
      if (!(seconds > 0)) throw new CliError(`--seconds is "${flags.seconds}": give a number above 0.`, USAGE_ERROR);
      if (!(concurrency >= 1))
        throw new CliError(`--concurrency is "${flags.concurrency}": give 1 or more.`, USAGE_ERROR);
      return onTarget(flags, async ({ name, store }) => {
        output.note(`Measuring ${name} with sessions of ${grouped(RECORD_BYTES)} bytes …`);
        const results = await measureStore(store, seconds, concurrency);
        if (flags.json) {
          output.json(results);
          return;
        }
        const rows = Object.entries(results).map(([call, { perSecond, p50, p99 }]) => [
          call,
          grouped(Math.round(perSecond)),
          p50.toFixed(2),
          p99.toFixed(2),
        ]);
        output.table(["CALL", "PER SECOND", "P50 MS", "P99 MS"], rows, "");
      });
    });
}

/** Measures each kind of call with sessions that are deleted afterwards. Times are in milliseconds. */
export async function measureStore(
  store: SessionStore,
  seconds: number,
  concurrency: number,
): Promise<Record<"create" | "read" | "update" | "delete", Latency>> {
  const write = () => ({ value: randomBytes(RECORD_BYTES), expiresAt: Date.now() + LIFE_MS });
  const keys: string[] = [];
  const versions = new Map<string, Awaited<ReturnType<SessionStore["create"]>>>();
  try {
    const create = await measure(seconds, concurrency, async () => {
      const key = randomBytes(18).toString("base64url");
      versions.set(key, await store.create(key, write()));
      keys.push(key);
    });
    let next = 0;
    const nextKey = () => keys[next++ % keys.length]!;
    const read = await measure(seconds, concurrency, async () => void (await store.read(nextKey())));
    const update = await measure(seconds, concurrency, async () => {
      const key = nextKey();
      const version = await store.update(key, write(), versions.get(key)!);
      if (version !== "conflict" && version !== "gone") versions.set(key, version);
    });
    const remove = await measure(seconds, concurrency, async () => {
      const key = keys.pop();
      if (key !== undefined) await store.delete(key);
      return keys.length > 0;
    });
    return { create, read, update, delete: remove };
  } finally {
    await Promise.allSettled(keys.map((key) => store.delete(key)));
  }
}

/** Calls until the time is over, or until a call gives false. */
async function measure(seconds: number, concurrency: number, call: () => Promise<boolean | void>): Promise<Latency> {
  const times: number[] = [];
  const started = performance.now();
  const end = started + seconds * 1_000;
  let goesOn = true;
  const one = async () => {
    while (goesOn && performance.now() < end) {
      const before = performance.now();
      if ((await call()) === false) goesOn = false;
      times.push(performance.now() - before);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, one));
  const took = (performance.now() - started) / 1_000;
  times.sort((one, other) => one - other);
  const at = (share: number) => times[Math.min(Math.floor(share * times.length), times.length - 1)]!;
  return { perSecond: times.length / took, p50: at(0.5), p99: at(0.99) };
}
