import type { Fields } from "./session-data.ts";

export type Framework = "node:http" | "Express" | "Fastify";

/**
 * Where sessions are kept. `none` is the bare server, `cookie` the browser itself, sealed, and `cached` is Redis with
 * copies in the process.
 */
export type StoreName = "none" | "memory" | "cookie" | "file" | "redis" | "cached" | "postgres" | "mysql";

/** One library on one framework. Each has a file of its own, which only its own server process loads. */
export interface Contender {
  readonly framework: Framework;
  /** What the tables call it, for each store it comes with. */
  readonly names: Readonly<Partial<Record<StoreName, string>>>;
  /** True for the library that the others are compared with. */
  readonly ours?: true;
  /**
   * Starts an application on a free port, which it gives. `address` is the database's URL, those of a Redis Cluster with
   * commas between them, or a directory for `file`.
   */
  start(store: StoreName, address: string): Promise<number>;
}

/** What an application does with the session of one request. The frameworks' routes are the same for all contenders. */
export interface Actions<Request> {
  /** Reads one key. */
  read(request: Request): string;
  /** Changes one key: counts up, and gives the number. */
  change(request: Request): number;
  /** Puts ten keys into a new session. */
  fill(request: Request): void;
  /** Writes one key. */
  set(request: Request, slot: keyof Fields & `slot${number}`): void;
  /** Everything in the session, to check by. */
  all(request: Request): object;
}

/** Every route answers with a text; those of `SLOW` wait first, as an application waits for a database. */
export const SLOW_MS = 5;

/** The numbers of the counter have one length, so that every answer has. */
export function counted(n: number): string {
  return String(n).padStart(8, "0");
}

/** 32 characters and more, as all of the libraries ask. */
export const SECRET = "the benchmark's secret is not a secret at all";

/** How long sessions live, wherever a library lets the application say so. */
export const IDLE_SECONDS = Number(process.env.BENCH_IDLE_SECONDS ?? 20 * 60);
