// The pacer's process: sends requests at a fixed rate, whatever the server does.
import { createHistogram } from "node:perf_hooks";
import { CPUS } from "./child.ts";
import { Connection, type Load } from "./connection.ts";

export interface PacedJob {
  port: number;
  /** The most pending requests. A request that is due while all connections are busy waits, and its wait counts. */
  connections: number;
  /** Whole requests as they go over the wire. Sent in order, again and again. */
  requests: string[];
  /** Requests a second. */
  rate: number;
  seconds: number;
  /** Seconds at the same rate before the measurement. */
  warmUp: number;
}

/** In milliseconds. */
export interface Latency {
  p50: number;
  p99: number;
  p999: number;
  most: number;
  answers: number;
  /** The p99 of this process's own lateness, which is part of the latencies. */
  late: number;
}

export type PacerQuestion = { ask: "run"; job: PacedJob };
export type PacerAnswer = Latency | "ready";

/** False with two CPUs, where the database and this process share one. */
const HAS_OWN_CPU = CPUS.database !== CPUS.generator;

/** Microseconds, up to one hour, in three significant digits. */
const RANGE = { lowest: 1, highest: 3_600_000_000, figures: 3 };

process.on("message", async ({ job }: PacerQuestion) => {
  process.send!(await new OpenLoop(job).run());
});
process.on("disconnect", () => process.exit());
process.send!("ready");

/**
 * Requests are due at even times, and latency counts from when a request was due. A generator that waits for an answer
 * before it sends the next request counts a slow moment once, not for every request of that moment ("coordinated
 * omission").
 */
class OpenLoop implements Load {
  readonly #job: PacedJob;
  readonly #requests: Buffer[];
  readonly #latencies = createHistogram(RANGE);
  readonly #lateness = createHistogram(RANGE);
  /** When the request on each connection was due. */
  readonly #dues: number[] = [];
  #free: Connection[] = [];
  #start = 0;
  #due = 0;
  #answered = 0;
  #done: (latency: Latency) => void = () => {};
  #failed: (error: Error) => void = () => {};

  constructor(job: PacedJob) {
    this.#job = job;
    this.#requests = job.requests.map((request) => Buffer.from(request, "latin1"));
  }

  async run(): Promise<Latency> {
    const { connections, port } = this.#job;
    this.#free = await Promise.all(Array.from({ length: connections }, (_, i) => Connection.open(port, this, i)));
    this.#start = performance.now();
    return new Promise((resolve, reject) => {
      this.#done = resolve;
      this.#failed = reject;
      this.#poll();
    });
  }

  answered(connection: Connection, head: string, body: string): void {
    if (!head.startsWith("HTTP/1.1 200 ")) this.#failed(new Error(`an unexpected answer:\n${head}${body}`));
    const due = this.#dues[connection.index]!;
    if (this.#counts(due)) record(this.#latencies, performance.now() - due);
    this.#answered++;
    this.#free.push(connection);
  }

  failed(error: Error): void {
    this.#failed(error);
  }

  /** Sends the requests that are due, again and again until all are answered. */
  #poll(): void {
    const { rate, seconds, warmUp, connections } = this.#job;
    const all = Math.round(rate * (seconds + warmUp));
    const now = performance.now();
    while (this.#due < all && this.#free.length > 0) {
      const due = this.#start + (this.#due * 1000) / rate;
      if (due > now) break;
      // By turns, since a server closes idle connections.
      const connection = this.#free.shift()!;
      if (this.#free.length > 0 && this.#counts(due)) record(this.#lateness, now - due);
      this.#dues[connection.index] = due;
      const number = this.#due++ % this.#requests.length;
      connection.send(number, this.#requests[number]!);
    }
    if (this.#answered < all) {
      // A timer is up to a millisecond late. Without one this process never sleeps, so it needs a CPU to itself.
      if (HAS_OWN_CPU) setImmediate(() => this.#poll());
      else setTimeout(() => this.#poll(), 1);
      return;
    }
    for (const connection of this.#free) connection.close();
    if (this.#free.length !== connections) throw new Error("a connection is missing");
    const at = (percentile: number) => this.#latencies.percentile(percentile) / 1000;
    this.#done({
      p50: at(50),
      p99: at(99),
      p999: at(99.9),
      most: this.#latencies.max / 1000,
      answers: this.#latencies.count,
      late: this.#lateness.percentile(99) / 1000,
    });
  }

  #counts(due: number): boolean {
    return due - this.#start >= this.#job.warmUp * 1000;
  }
}

function record(histogram: ReturnType<typeof createHistogram>, milliseconds: number): void {
  histogram.record(Math.max(1, Math.round(milliseconds * 1000)));
}
