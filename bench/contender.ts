// What a contender is: one session library on one framework.
import type { Fields } from "./session-data.ts";

export type Framework = (typeof FRAMEWORKS)[number] | (typeof MORE_FRAMEWORKS)[number];

/** What `npm run bench` measures. */
export const FRAMEWORKS = ["node:http", "Express", "Fastify"] as const;
/** What `npm run bench -- --frameworks` measures. */
export const MORE_FRAMEWORKS = ["Koa", "Hono", "h3", "Astro", "Next.js"] as const;

/**
 * Where sessions are kept. `none` is the bare server, `cookie` a sealed cookie in the browser, and `cached` is Redis with
 * a cache in the process.
 */
export type StoreName = "none" | "memory" | "cookie" | "file" | "redis" | "cached" | "postgres" | "mysql";

/** Each has its own file, which only its server process loads. */
export interface Contender {
  readonly framework: Framework;
  /** The name in the tables, for each store. */
  readonly names: Readonly<Partial<Record<StoreName, string>>>;
  /** True for coatcheck, which the others are compared with. */
  readonly ours?: true;
  /** True for what is measured only where `--only` names it. */
  readonly onlyByName?: true;
  /**
   * Starts the application on a free port and resolves with the port. `address` is the database's URL, the URLs of a Redis
   * Cluster separated by commas, or the directory of `file`.
   */
  start(store: StoreName, address: string): Promise<number>;
}

/** What an application does with the session of one request. The routes are the same for all contenders. */
export interface Actions<Request> {
  /** Reads one key. */
  read(request: Request): string;
  /** Changes one key: increments a counter and returns it. */
  change(request: Request): number;
  /** Writes ten keys to a new session. */
  fill(request: Request): void;
  /** Writes one key. */
  set(request: Request, slot: keyof Fields & `slot${number}`): void;
  /** Everything in the session, for checks. */
  all(request: Request): object;
}

/** The same where a library has to be waited for. */
export type AsyncActions<Request> = {
  [Name in keyof Actions<Request>]: (
    ...args: Parameters<Actions<Request>[Name]>
  ) => ReturnType<Actions<Request>[Name]> | Promise<ReturnType<Actions<Request>[Name]>>;
};

/** Milliseconds that the slow routes wait before they change the session, as an application waits for a database. */
export const SLOW_MS = 5;

/** Pads the counter, so that all answers have the same length. */
export function counted(n: number): string {
  return String(n).padStart(8, "0");
}

/** At least 32 characters long, as all of the libraries require. */
export const SECRET = "the benchmark's secret is not a secret at all";

/** How long sessions live, where a library lets the application choose. */
export const IDLE_SECONDS = Number(process.env.BENCH_IDLE_SECONDS ?? 20 * 60);
