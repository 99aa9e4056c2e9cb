// Conformance: what users and applications get, with the core over the store.

import type { Mode, Session, Sessions } from "../index.ts";
import { type Case, type Data, eventually, type Kit, newKey, SHORT, same, sleep } from "./kit.ts";

/** The idle timeout of the first attempt, in milliseconds, and the longest that is attempted again. */
const IDLE = 1_200;
const MAX_IDLE = 5_000;
/** A machine is too slow if something takes more than this share of the idle timeout. */
const SLOW_ABOVE = 0.1;
/** Milliseconds by which a store's clock may be known inexactly. */
const TOLERANCE = 1_500;
const MODES: readonly Mode[] = ["merge", "exclusive", "readonly"];

/** Sessions that expire, and requests that take their time. */
export const core: Case[] = [
  {
    name: "core: a session that is opened just before its end, and committed after it, is kept with its changes",
    async run(kit) {
      await eachMode(kit, async (browser, mode, idleTimeout) => {
        const end = performance.now() + idleTimeout;
        await browser.request((session) => session.set("n", 1));
        await sleep(end - performance.now() - 0.3 * idleTimeout);
        const session = await browser.open(mode);
        same(session.get("n"), 1, "A session must be there until its expiresAt.");
        await sleep(end - performance.now() + 0.3 * idleTimeout);
        if (mode !== "readonly") session.set("n", 2);
        await browser.end(session);
        await browser.request((later) =>
          same(
            later.get("n"),
            mode === "readonly" ? 1 : 2,
            `A session that a request (mode ${mode}) has open must not end meanwhile. The core touches it when it is opened late: touch must move the expiry that update and read go by.`,
          ),
        );
      });
    },
  },
  {
    name: "core: a handler that runs for longer than the idle timeout keeps its session",
    async run(kit) {
      await eachMode(kit, async (browser, mode, idleTimeout) => {
        await browser.request((session) => session.set("n", 1));
        const session = await browser.open(mode);
        await sleep(2.2 * idleTimeout);
        if (mode !== "readonly") session.update("n", (n) => n! + 1);
        await browser.end(session);
        await browser.request((later) =>
          same(
            later.get("n"),
            mode === "readonly" ? 1 : 2,
            `A session that a request (mode ${mode}) has open must not end meanwhile. The core touches it now and then: each touch must move the expiry.`,
          ),
        );
      });
    },
  },
  {
    name: "core: a session ends after its idle timeout",
    async run(kit) {
      const browser = new Browser(await kit.serve({ idleTimeout: SHORT }));
      await browser.request((session) => session.set("n", 1));
      await sleep(SHORT + TOLERANCE);
      await browser.request((session) => same(session.isNew, true, "A session must end at its expiresAt."));
    },
  },
  {
    name: "core: a session opens with the owner that was written with it",
    async run(kit) {
      const sessions = await kit.serve();
      const unreadable: string[] = [];
      sessions.on("unreadable", ({ id }) => unreadable.push(id));
      const browser = new Browser(sessions);
      const owner = newKey();
      await browser.request((session) => {
        session.owner = owner;
        session.set("n", 1);
      });
      await browser.request((session) => {
        same(
          [session.owner, session.get("n"), unreadable],
          [owner, 1, []],
          "A record is bound to its owner: read must give the owner exactly as it was written, or the session can't be opened.",
        );
        session.owner = undefined;
      });
      await browser.request((session) =>
        same(
          [session.owner, session.get("n"), unreadable],
          [undefined, 1, []],
          "An update without an owner must remove the earlier one, or the session can't be opened.",
        ),
      );
    },
  },
  {
    name: "core: the end of an expired session is reported with what was in it",
    needs: ["claimExpired"],
    async run(kit) {
      const sessions = await kit.serve({ idleTimeout: SHORT });
      const ended = new Map<string, unknown>();
      sessions.on("end", ({ id, data }) => ended.set(id, data));
      let id = "";
      await new Browser(sessions).request((session) => {
        session.owner = newKey();
        session.set("n", 1);
        id = session.id;
      });
      await sleep(SHORT + TOLERANCE);
      const rule =
        "claimExpired must give an expired session with the value and owner that were written, or the core can't open it.";
      const data = await eventually(rule, async () => {
        await sessions.sweep();
        return ended.has(id) ? { of: ended.get(id) } : undefined;
      });
      same(data.of, { n: 1 }, rule);
    },
  },
];

/** Sends its cookies, and keeps those that it gets. */
class Browser {
  readonly #sessions: Sessions<Data>;
  readonly #pace: Pace | undefined;
  readonly #cookies = new Map<string, string>();

  constructor(sessions: Sessions<Data>, pace?: Pace) {
    this.#sessions = sessions;
    this.#pace = pace;
  }

  async open(mode: Mode = "merge"): Promise<Session<Data>> {
    const header = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const began = performance.now();
    const session = await this.#sessions.open(header, { mode });
    this.#pace?.add(performance.now() - began);
    return session;
  }

  async request(handler: (session: Session<Data>) => void): Promise<void> {
    const session = await this.open();
    handler(session);
    await this.end(session);
  }

  async end(session: Session<Data>): Promise<void> {
    const began = performance.now();
    const cookies = await session.commit();
    this.#pace?.add(performance.now() - began);
    for (const cookie of cookies) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie)!;
      if (/; *max-age=0/i.test(cookie)) this.#cookies.delete(name!);
      else this.#cookies.set(name!, value!);
    }
  }
}

/**
 * Runs a case concurrently in each mode, with a browser of its own. If it fails on a machine that was too slow for its idle
 * timeout, it is repeated with a longer one.
 */
async function eachMode(
  kit: Kit,
  run: (browser: Browser, mode: Mode, idleTimeout: number) => Promise<void>,
): Promise<void> {
  for (let idleTimeout = IDLE; ; idleTimeout *= 5) {
    const pace = new Pace();
    const sessions = await kit.serve({ idleTimeout });
    const results = await Promise.allSettled(MODES.map((mode) => run(new Browser(sessions, pace), mode, idleTimeout)));
    const longest = pace.stop();
    const failed = results.find((result) => result.status === "rejected");
    if (failed === undefined) return;
    if (longest < SLOW_ABOVE * idleTimeout || idleTimeout > MAX_IDLE) throw failed.reason;
  }
}

/** How slow the machine is: the longest call to the store, or time for which this process stood still. */
class Pace {
  #longest = 0;
  #last = performance.now();
  readonly #timer = setInterval(() => {
    const now = performance.now();
    this.add(now - this.#last);
    this.#last = now;
  }, 20);

  add(span: number): void {
    this.#longest = Math.max(this.#longest, span);
  }

  /** Gives the longest in milliseconds. */
  stop(): number {
    clearInterval(this.#timer);
    return this.#longest;
  }
}
