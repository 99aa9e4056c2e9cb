// A browser that looks at a console: it follows the stream, and sends what the page sends.

import { isDeepStrictEqual } from "node:util";
import type { ConsoleState } from "../../src/console/protocol.ts";

/** Answers a request as the server of a console does. */
export type Ask = (path: string, init?: RequestInit) => Promise<Response>;

/** Asks a console that is mounted at this address, which ends in a slash. */
export function at(url: string, headers: Record<string, string> = {}): Ask {
  return (path, init = {}) =>
    fetch(url + path, { redirect: "manual", ...init, headers: { ...headers, ...(init.headers as object) } });
}

/** The headers with which the page sends. */
export const SENT_BY_PAGE = {
  "content-type": "application/json",
  "x-coatcheck-console": "1",
  "sec-fetch-site": "same-origin",
};

export function send(ask: Ask, path: "find" | "end", body: unknown): Promise<Response> {
  return ask(path, { method: "POST", headers: SENT_BY_PAGE, body: JSON.stringify(body) });
}

/** Follows a stream until it is stopped. */
export class Viewer {
  readonly #leave = new AbortController();
  #waiting: (() => void)[] = [];
  /** All states so far. */
  readonly states: ConsoleState[] = [];
  /** The stream as it came. */
  text = "";
  hasEnded = false;

  static async open(ask: Ask): Promise<Viewer> {
    const viewer = new Viewer();
    const response = await ask("live", { signal: viewer.#leave.signal });
    if (response.status !== 200) throw new Error(`live: ${response.status} ${await response.text()}`);
    void viewer.#follow(response);
    return viewer;
  }

  /** The first state from now on, or the present one, that fits. */
  async until(what: string, fits: (state: ConsoleState) => boolean, timeout = 120_000): Promise<ConsoleState> {
    const end = Date.now() + timeout;
    for (;;) {
      const state = this.states.at(-1);
      if (state !== undefined && fits(state)) return state;
      if (this.hasEnded) throw new Error(`${what}: the stream has ended. Last: ${JSON.stringify(state)}`);
      if (Date.now() > end) throw new Error(`${what}: not within ${timeout} ms. Last: ${JSON.stringify(state)}`);
      await this.#next();
    }
  }

  /** Waits until the numbers are as they should be, and says how they differ if they never are. */
  async untilEqual(what: string, numbers: (state: ConsoleState) => unknown, wanted: unknown): Promise<void> {
    let last: unknown;
    const isEqual = (state: ConsoleState) => {
      last = numbers(state);
      return isDeepStrictEqual(last, wanted);
    };
    await this.until(what, isEqual).catch((error) => {
      throw new Error(`${what}: ${JSON.stringify(last)} instead of ${JSON.stringify(wanted)}`, { cause: error });
    });
  }

  /** Resolves when the server has ended the stream. */
  async end(): Promise<void> {
    while (!this.hasEnded) await this.#next();
  }

  leave(): void {
    this.#leave.abort();
  }

  #next(): Promise<void> {
    const next = Promise.withResolvers<void>();
    const timer = setTimeout(next.resolve, 5_000);
    this.#waiting.push(() => {
      clearTimeout(timer);
      next.resolve();
    });
    return next.promise;
  }

  async #follow(response: Response): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    try {
      for await (const chunk of response.body!) {
        const text = decoder.decode(chunk, { stream: true });
        this.text += text;
        const blocks = (rest + text).split("\n\n");
        rest = blocks.pop()!;
        for (const block of blocks) {
          if (block.startsWith("data: ")) this.states.push(JSON.parse(block.slice(6)) as ConsoleState);
        }
        this.#wake();
      }
    } catch {
      // The test has left, or the server is gone.
    }
    this.hasEnded = true;
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
