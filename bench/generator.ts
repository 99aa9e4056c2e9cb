// The process that makes the load: keep-alive connections, each with one request under way, every answer checked.
//
// A small client of our own rather than wrk: it sends a fixed number of requests, looks into every answer, knows each
// session's counter, and needs no installation. It costs a third of what the fastest server here costs, so the server
// is what limits the rate (the report says how busy it was), and what is reported is the server's CPU time anyway.
import { connect, type Socket } from "node:net";

export interface Job {
  port: number;
  connections: number;
  /** Whole requests as they go over the wire. Connection i of n sends number i, i + n, i + 2n … over and over. */
  requests: string[];
  /** How many to send in all, after the warm-up. */
  count: number;
  /** How many each connection sends before the measurement; without counting the answers, but checking them. */
  warmUp: number;
  expect: Expectation;
  /** Keep the cookies (name=value) and the bodies of the first so many answers. */
  keep?: number;
}

export interface Expectation {
  /** Every body is this text. */
  body?: string;
  /** Every body is the number of times that this request was sent. */
  counter?: true;
  /** Every answer sets a cookie. */
  cookie?: true;
}

export interface LoadResult {
  answers: number;
  seconds: number;
  setCookies: number;
  bytes: number;
  /** Answers that were not as expected, and the first of them. */
  wrong: number;
  firstWrong?: string;
  cookies: string[];
  bodies: string[];
  /** How often each request was answered, the warm-up's among them. */
  sent: number[];
}

/** `go` follows on a `prepare`, which opens the connections and warms up. */
export type GeneratorQuestion = { ask: "prepare"; job: Job } | { ask: "go" };
export type GeneratorAnswer = LoadResult | "ready";

let prepared: Load | undefined;

process.on("message", async (question: GeneratorQuestion) => {
  if (question.ask === "prepare") {
    prepared = new Load(question.job);
    await prepared.warmUp();
    process.send!("ready");
  } else {
    process.send!(await prepared!.run());
  }
});
process.on("disconnect", () => process.exit());
process.send!("ready");

class Load {
  readonly #job: Job;
  readonly #requests: Buffer[];
  readonly #sent: number[];
  #connections: Connection[] = [];
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
      Array.from({ length: connections }, (_, i) => openConnection(port, new Connection(this, i))),
    );
    await this.#send(connections * warmUp);
  }

  async run(): Promise<LoadResult> {
    const { wrong, firstWrong } = this.#result;
    this.#result = { ...this.#noResult(), wrong, ...(firstWrong !== undefined && { firstWrong }) };
    const start = performance.now();
    await this.#send(this.#job.count);
    this.#result.seconds = (performance.now() - start) / 1000;
    for (const connection of this.#connections) connection.close();
    return this.#result;
  }

  /** The next request for a connection that has sent `turn` so far, or undefined if enough are on their way. */
  next(connection: number, turn: number): { number: number; bytes: Buffer } | undefined {
    if (this.#toSend === 0) return undefined;
    this.#toSend--;
    const number = (connection + turn * this.#job.connections) % this.#requests.length;
    return { number, bytes: this.#requests[number]! };
  }

  answered(number: number, head: string, body: string): void {
    const result = this.#result;
    const times = ++this.#sent[number]!;
    result.answers++;
    result.bytes += head.length + body.length;
    const cookie = SET_COOKIE.exec(head)?.[1];
    if (cookie !== undefined) result.setCookies++;
    if (!head.startsWith("HTTP/1.1 200 ") || !this.#isExpected(times, body, cookie)) {
      if (result.wrong++ === 0)
        result.firstWrong = `answer ${times} to\n${this.#job.requests[number]}was\n${head}${body}`;
    }
    if (result.bodies.length < (this.#job.keep ?? 0)) {
      result.bodies.push(body);
      if (cookie !== undefined) result.cookies.push(cookie);
    }
    if (--this.#toCome === 0) this.#done();
  }

  failed(error: Error): void {
    this.#failed(error);
  }

  #send(count: number): Promise<void> {
    this.#toSend = count;
    this.#toCome = count;
    return new Promise((resolve, reject) => {
      this.#done = resolve;
      this.#failed = reject;
      if (count === 0) resolve();
      for (const connection of this.#connections) connection.send();
    });
  }

  #isExpected(times: number, body: string, cookie: string | undefined): boolean {
    const { expect } = this.#job;
    if (expect.body !== undefined && body !== expect.body) return false;
    if (expect.counter && Number(body) !== times) return false;
    return !expect.cookie || cookie !== undefined;
  }

  #noResult(): LoadResult {
    return { answers: 0, seconds: 0, setCookies: 0, bytes: 0, wrong: 0, cookies: [], bodies: [], sent: this.#sent };
  }
}

const SET_COOKIE = /\r\nset-cookie: ([^;\r]+)/i;
const CONTENT_LENGTH = /\r\ncontent-length: (\d+)/i;

/** One request under way at a time. An answer may come in any number of pieces. */
class Connection {
  readonly #load: Load;
  readonly #index: number;
  #socket: Socket | undefined;
  #turn = 0;
  #number = 0;
  #pieces = "";
  #closed = false;

  constructor(load: Load, index: number) {
    this.#load = load;
    this.#index = index;
  }

  opened(socket: Socket): void {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("error", (error) => this.#load.failed(error));
    socket.on("close", () => {
      if (!this.#closed) this.#load.failed(new Error("the server closed a connection"));
    });
  }

  close(): void {
    this.#closed = true;
    this.#socket!.destroy();
  }

  send(): void {
    const next = this.#load.next(this.#index, this.#turn);
    if (next === undefined) return;
    this.#turn++;
    this.#number = next.number;
    this.#socket!.write(next.bytes);
  }

  received(bytes: number, buffer: Uint8Array): void {
    const piece = (buffer as Buffer).toString("latin1", 0, bytes);
    const text = this.#pieces === "" ? piece : this.#pieces + piece;
    const end = text.indexOf("\r\n\r\n");
    const length = end === -1 ? undefined : CONTENT_LENGTH.exec(text)?.[1];
    if (end !== -1 && length === undefined) {
      this.#load.failed(new Error(`an answer without Content-Length:\n${text}`));
    } else if (end === -1 || text.length < end + 4 + Number(length)) {
      this.#pieces = text;
    } else {
      this.#pieces = "";
      this.#load.answered(this.#number, text.slice(0, end + 4), text.slice(end + 4));
      this.send();
    }
  }
}

function openConnection(port: number, connection: Connection): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      port,
      host: "127.0.0.1",
      // Reads into one buffer and skips the stream: half the time of a "data" listener.
      onread: {
        buffer: Buffer.allocUnsafe(16 * 1024),
        callback: (bytes, buffer) => {
          connection.received(bytes, buffer);
          return true;
        },
      },
    });
    socket.once("error", reject);
    socket.once("connect", () => {
      connection.opened(socket);
      resolve(connection);
    });
  });
}
