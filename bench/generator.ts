// The load generator's process: keep-alive connections with one pending request each, and every answer checked.
import { Connection, type Load } from "./connection.ts";
import { CookieJar } from "./cookies.ts";

export interface Job {
  port: number;
  connections: number;
  /** Whole requests as they go over the wire. Connection i of n sends number i, i + n, i + 2n … over and over. */
  requests: string[];
  /** How many requests to send in all, after the warm-up. */
  count: number;
  /** How many requests each connection sends before the measurement. Their answers are checked, but not counted. */
  warmUp: number;
  expect: Expectation;
  /** Send the cookies that an answer set with the next request of the same number, as a browser does. Default: false. */
  keepsCookies?: boolean;
  /** Keep the bodies and `Set-Cookie` values of this many first answers. Default: none. */
  keep?: number;
}

export interface Expectation {
  /** Every body is this text. */
  body?: string;
  /** Every body is how often this request was sent. */
  counter?: true;
  /** Every answer sets a cookie. */
  cookie?: true;
}

export interface LoadResult {
  answers: number;
  seconds: number;
  /** How many answers set cookies. */
  withCookie: number;
  /** How many answers were not as expected. */
  wrong: number;
  /** The first answer that was not as expected. */
  firstWrong?: string;
  bodies: string[];
  /** The `Set-Cookie` values of each answer that has some. */
  setCookies: string[][];
  /** How often each request was answered, the warm-up included. */
  sent: number[];
  /** The current cookies of the first requests' browsers. */
  cookies: string[];
}

/** `prepare` opens the connections and warms up; `go` follows it. */
export type GeneratorQuestion = { ask: "prepare"; job: Job } | { ask: "go" };
export type GeneratorAnswer = LoadResult | "ready";

const SET_COOKIE = /\r\nset-cookie: ([^\r]+)/gi;
const COOKIE = /(?<=\r\nCookie: )[^\r]*/;
/** Short compared with the server's time for one request of each connection, so that the server is never idle. */
const PAUSE_MS = 0.1;
const NEVER = new Int32Array(new SharedArrayBuffer(4));
/** The number of browsers whose cookies are returned. */
const BROWSERS_KEPT = 8;

let prepared: ClosedLoop | undefined;

process.on("message", async (question: GeneratorQuestion) => {
  if (question.ask === "prepare") {
    prepared = new ClosedLoop(question.job);
    await prepared.warmUp();
    process.send!("ready");
  } else {
    process.send!(await prepared!.run());
  }
});
process.on("disconnect", () => process.exit());
process.send!("ready");

/**
 * Sends the next request of a connection when its answer has arrived.
 *
 * Not wrk: this client sends a fixed number of requests, checks every answer, tracks each session's counter and cookies,
 * and needs no installation. It takes a third of the CPU of the fastest server here, so the server limits the rate. The
 * report says how busy the server was, and compares CPU times, not rates.
 */
class ClosedLoop implements Load {
  readonly #job: Job;
  readonly #requests: Buffer[];
  readonly #jars: CookieJar[] = [];
  readonly #sent: number[];
  #connections: Connection[] = [];
  readonly #turns: number[] = [];
  #result = this.#noResult();
  #toSend = 0;
  #toCome = 0;
  #done: () => void = () => {};
  #failed: (error: Error) => void = () => {};

  constructor(job: Job) {
    this.#job = job;
    this.#requests = job.requests.map((request) => Buffer.from(request, "latin1"));
    this.#sent = job.requests.map(() => 0);
  }

  async warmUp(): Promise<void> {
    const { connections, port, warmUp } = this.#job;
    this.#connections = await Promise.all(
      Array.from({ length: connections }, (_, i) => Connection.open(port, this, i)),
    );
    await this.#send(connections * warmUp);
  }

  async run(): Promise<LoadResult> {
    const { wrong, firstWrong } = this.#result;
    this.#result = { ...this.#noResult(), wrong, ...(firstWrong !== undefined && { firstWrong }) };
    const start = performance.now();
    await this.#pollDuring(this.#send(this.#job.count));
    this.#result.seconds = (performance.now() - start) / 1000;
    for (const connection of this.#connections) connection.close();
    for (let i = 0; i < BROWSERS_KEPT && this.#job.keepsCookies; i++) this.#result.cookies.push(this.#jar(i).header);
    return this.#result;
  }

  answered(connection: Connection, head: string, body: string): void {
    const { number } = connection;
    const result = this.#result;
    const times = ++this.#sent[number]!;
    result.answers++;
    const setCookies = head.includes("ookie: ") ? Array.from(head.matchAll(SET_COOKIE), ([, value]) => value!) : [];
    if (setCookies.length > 0) {
      result.withCookie++;
      if (this.#job.keepsCookies) this.#takeCookies(number, setCookies);
    }
    if (!head.startsWith("HTTP/1.1 200 ") || !this.#isExpected(times, body, setCookies)) {
      if (result.wrong++ === 0)
        result.firstWrong = `answer ${times} to\n${this.#job.requests[number]}was\n${head}${body}`;
    }
    if (result.bodies.length < (this.#job.keep ?? 0)) {
      result.bodies.push(body);
      if (setCookies.length > 0) result.setCookies.push(setCookies);
    }
    if (--this.#toCome === 0) this.#done();
    else this.#sendNext(connection);
  }

  failed(error: Error): void {
    this.#failed(error);
  }

  /**
   * Polls for answers until `work` is done, instead of sleeping until the kernel wakes this process. Waking a process on
   * another CPU costs the sender about 10 µs on a virtual machine, and a slower server would have to do it more often.
   */
  async #pollDuring(work: Promise<void>): Promise<void> {
    let isDone = false;
    const poll = () => {
      if (isDone) return;
      Atomics.wait(NEVER, 0, 0, PAUSE_MS);
      setImmediate(poll);
    };
    setImmediate(poll);
    await work.finally(() => {
      isDone = true;
    });
  }

  #send(count: number): Promise<void> {
    this.#toSend = count;
    this.#toCome = count;
    return new Promise((resolve, reject) => {
      this.#done = resolve;
      this.#failed = reject;
      if (count === 0) resolve();
      for (const connection of this.#connections) this.#sendNext(connection);
    });
  }

  #sendNext(connection: Connection): void {
    if (this.#toSend === 0) return;
    this.#toSend--;
    const { index } = connection;
    const turn = this.#turns[index] ?? 0;
    this.#turns[index] = turn + 1;
    const number = (index + turn * this.#job.connections) % this.#requests.length;
    connection.send(number, this.#requests[number]!);
  }

  #takeCookies(number: number, setCookies: string[]): void {
    const jar = this.#jar(number);
    for (const setCookie of setCookies) jar.take(setCookie);
    this.#requests[number] = Buffer.from(this.#job.requests[number]!.replace(COOKIE, jar.header), "latin1");
  }

  #jar(number: number): CookieJar {
    this.#jars[number] ??= new CookieJar(COOKIE.exec(this.#job.requests[number]!)?.[0]);
    return this.#jars[number];
  }

  #isExpected(times: number, body: string, setCookies: string[]): boolean {
    const { expect } = this.#job;
    if (expect.body !== undefined && body !== expect.body) return false;
    if (expect.counter && Number(body) !== times) return false;
    return !expect.cookie || setCookies.length > 0;
  }

  #noResult(): LoadResult {
    return {
      answers: 0,
      seconds: 0,
      withCookie: 0,
      wrong: 0,
      bodies: [],
      setCookies: [],
      sent: this.#sent,
      cookies: [],
    };
  }
}
