// A contender with one of its stores, and its running server.
import { type Child, CPUS, pin, startChild } from "./child.ts";
import type { Contender, StoreName } from "./contender.ts";
import { contenders } from "./contenders/index.ts";
import { CookieJar } from "./cookies.ts";
import { cpuOf, type Database, type Databases } from "./databases.ts";
import type { Expectation, GeneratorAnswer, GeneratorQuestion, Job, LoadResult } from "./generator.ts";
import { stolen } from "./machine.ts";
import { noSession, request, type Scenario, type ScenarioName, scenarios } from "./scenarios.ts";
import type { ServerAnswer, ServerQuestion, Times } from "./server.ts";
import { OTHER_COOKIES, tenKeys } from "./session-data.ts";

/** A row of the tables. */
export interface Entrant {
  /** For the command line and the JSON, such as `express-session+redis`. */
  readonly id: string;
  readonly file: string;
  readonly store: StoreName;
  readonly name: string;
  readonly contender: Contender;
}

export const entrants: readonly Entrant[] = Object.entries(contenders).flatMap(([file, contender]) =>
  Object.entries(contender.names).map(([store, name]) => ({
    id: store === "none" ? file : `${file}+${store}`,
    file,
    store: store as StoreName,
    name,
    contender,
  })),
);

/** The bare server that an entrant is built on. */
export function baselineOf({ contender: { framework } }: Entrant): Entrant {
  return entrants.find((one) => one.store === "none" && one.contender.framework === framework)!;
}

export type Generator = Child<GeneratorQuestion, GeneratorAnswer>;

export async function startGenerator(): Promise<Generator> {
  return (await startChild<GeneratorQuestion, GeneratorAnswer>("generator.ts", [], CPUS.generator)).child;
}

export const CONNECTIONS = 64;
/** Each connection cycles through its own sessions, so that no two requests of one session run concurrently. */
const SESSIONS = 4 * CONNECTIONS;
/** Requests of each connection before a measurement: they open the connection and fill the CPU's caches again. */
const WARM_UP = 4;

/** The result of one measurement of one scenario. */
export interface Window {
  /** CPU microseconds of the server process for each request. */
  cpu: number;
  /** The part of `cpu` spent in the kernel, mostly for the network. */
  kernel: number;
  /** CPU microseconds of the database for each request. */
  database?: number;
  /** The server's share of one CPU while the requests ran. Far below 1, the generator limited the rate. */
  busy: number;
  /** The share of the time in which other processes had the server's CPU, or the host had any CPU. */
  disturbed: number;
  /** Answers a second. */
  rate: number;
  setCookies: number;
}

/** An entrant's application, running in its own process. */
export class RunningEntrant {
  readonly entrant: Entrant;
  readonly #server: Child<ServerQuestion, ServerAnswer>;
  readonly #port: number;
  readonly #generator: Generator;
  readonly #database: Database | undefined;
  #cookies: string[] = [];

  private constructor(
    entrant: Entrant,
    server: Child<ServerQuestion, ServerAnswer>,
    port: number,
    generator: Generator,
    database: Database | undefined,
  ) {
    this.entrant = entrant;
    this.#server = server;
    this.#port = port;
    this.#generator = generator;
    this.#database = database;
  }

  /** `address` replaces the database's, for example by a counting proxy's. `env` is added to the environment. */
  static async start(
    entrant: Entrant,
    databases: Databases,
    generator: Generator,
    { address = databases.addressFor(entrant.store), env = {} }: { address?: string; env?: NodeJS.ProcessEnv } = {},
  ): Promise<RunningEntrant> {
    const args = [entrant.file, entrant.store, address];
    const { child, hello } = await startChild<ServerQuestion, ServerAnswer>("server.ts", args, undefined, { env });
    return new RunningEntrant(entrant, child, hello as number, generator, databases.of(entrant.store));
  }

  get port(): number {
    return this.#port;
  }

  /** The cookies of the sessions that `seed` began. */
  get cookies(): readonly string[] {
    return this.#cookies;
  }

  /** Pins all threads to one CPU. Not before the warm-up, during which V8 compiles on the other CPUs. */
  pin(): void {
    pin(this.#server.pid, CPUS.server);
  }

  /** Begins the sessions of the requests that follow. */
  async seed(): Promise<void> {
    if (this.entrant.store === "none") {
      this.#cookies = Array.from({ length: SESSIONS }, () => noSession);
      return;
    }
    const { setCookies } = await this.#load({
      requests: [request("/new")],
      count: SESSIONS,
      expect: scenarios.new.expect,
      keep: SESSIONS,
    });
    const cookies = setCookies.map(browserWith);
    if (new Set(cookies).size !== SESSIONS) throw new Error(`${this.entrant.id} gave one cookie to two sessions`);
    this.#cookies = cookies;
  }

  /** Begins `count` more sessions that no request uses. */
  async begin(count: number): Promise<void> {
    await this.#load({ requests: [request("/new")], count, expect: scenarios.new.expect });
  }

  /** Measures `count` requests. Throws unless every answer and the contents of the sessions are right. */
  async measure(name: ScenarioName, count: number): Promise<Window> {
    const scenario: Scenario = scenarios[name];
    const pid = this.#database?.pid;
    let window: Omit<Window, "rate" | "setCookies"> | undefined;
    const result = await this.#load(
      {
        requests: scenario.withSession
          ? this.#cookies.map((cookie) => request(scenario.path, cookie))
          : [request(scenario.path)],
        connections: CONNECTIONS,
        count,
        warmUp: WARM_UP,
        expect: this.entrant.store === "none" ? {} : scenario.expect,
        keepsCookies: scenario.withSession,
        keep: 8,
      },
      async (go) => {
        const [before, stolenBefore, databaseBefore] = [await this.#times(), stolen(), pid && cpuOf(pid)];
        const result = await go();
        const [after, stolenAfter, databaseAfter] = [await this.#times(), stolen(), pid && cpuOf(pid)];
        const system = after.system - before.system;
        const cpu = after.user - before.user + system;
        const lost = after.waited - before.waited + stolenAfter - stolenBefore;
        window = {
          cpu: cpu / count,
          kernel: system / count,
          ...(databaseAfter && { database: (databaseAfter - databaseBefore!) / count }),
          busy: cpu / 1e6 / result.seconds,
          disturbed: lost / 1e6 / result.seconds,
        };
        return result;
      },
    );
    if (this.entrant.store !== "none") await this.#checkSessions(name, result);
    return { ...window!, rate: result.answers / result.seconds, setCookies: result.withCookie / result.answers };
  }

  /** Sends all requests concurrently and resolves with the answers. */
  burst(requests: string[], expect: Expectation = {}): Promise<LoadResult> {
    const count = requests.length;
    return this.#load({ requests, connections: count, count, expect, keep: count });
  }

  /** Sends requests one after the other. */
  oneByOne(name: ScenarioName, count: number): Promise<LoadResult> {
    const { path, withSession } = scenarios[name] as Scenario;
    const requests = withSession ? this.#cookies.map((cookie) => request(path, cookie)) : [request(path)];
    return this.#load({ requests, connections: 1, count, expect: {} });
  }

  /** What a session holds, read by a separate request. */
  async contents(cookie: string): Promise<Record<string, unknown>> {
    const { bodies } = await this.burst([request("/check", cookie)]);
    return JSON.parse(bodies[0]!) as Record<string, unknown>;
  }

  async startProfile(): Promise<void> {
    await this.#server.ask({ ask: "profile" });
  }

  async writeProfile(file: string): Promise<void> {
    await this.#server.ask({ ask: "write profile", file });
  }

  stop(): Promise<void> {
    return this.#server.stop();
  }

  async #times(): Promise<Times> {
    return (await this.#server.ask({ ask: "times" })) as Times;
  }

  async #load(
    job: Omit<Job, "port" | "connections" | "warmUp"> & Partial<Job>,
    around: (go: () => Promise<LoadResult>) => Promise<LoadResult> = (go) => go(),
  ): Promise<LoadResult> {
    await this.#generator.ask({
      ask: "prepare",
      job: { port: this.#port, connections: Math.min(CONNECTIONS, job.count), warmUp: 0, ...job },
    });
    const result = await around(async () => (await this.#generator.ask({ ask: "go" })) as LoadResult);
    if (result.wrong > 0 || result.answers !== job.count) {
      throw new Error(`${this.entrant.id} gave ${result.wrong} wrong answers of ${job.count}: ${result.firstWrong}`);
    }
    return result;
  }

  /** Checks the contents of some sessions, so that no contender is reported that skips the work. */
  async #checkSessions(name: ScenarioName, { setCookies, cookies, sent }: LoadResult): Promise<void> {
    const browsers = name === "new" ? setCookies.map(browserWith) : cookies.slice(0, 2).map(withoutOthers);
    for (const [i, cookie] of browsers.entries()) {
      const held = await this.contents(cookie);
      const views = name === "change" ? sent[i]! : undefined;
      for (const [key, value] of Object.entries(tenKeys())) {
        if (key === "views" && name !== "new" && views === undefined) continue;
        const expected = JSON.stringify(key === "views" ? (views ?? value) : value);
        if (JSON.stringify(held[key]) === expected) continue;
        throw new Error(
          `${this.entrant.id}, ${name}: the session holds ${JSON.stringify(held[key])} as "${key}", not ${expected}`,
        );
      }
    }
  }
}

/** The cookies of a browser after the answer to its first request. */
export function browserWith(setCookies: readonly string[]): string {
  const jar = new CookieJar();
  for (const setCookie of setCookies) jar.take(setCookie);
  return jar.header;
}

function withoutOthers(cookies: string): string {
  return cookies
    .split("; ")
    .filter((cookie) => !OTHER_COOKIES.includes(cookie))
    .join("; ");
}
