// Tests of parallel requests with random steps, servers and store delays.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isKey } from "../../src/cookies/ticket.ts";
import type { Session } from "../../src/index.ts";
import fc, { runs } from "../support/random.ts";
import { type Data, named, setUp } from "../support/set-up.ts";
import { watched } from "../support/stores.ts";

type Step = "increment" | "push" | "save" | "regenerate" | "destroy" | "discard" | "reload" | "wait" | "own";

/** The steps of each request, the number of servers, and how long each call to the store takes. */
const scenario = fc.record({
  servers: fc.constantFrom(1, 2, 3),
  requests: fc.array(
    fc.array(
      fc.oneof(
        { weight: 6, arbitrary: fc.constant<Step>("increment") },
        { weight: 3, arbitrary: fc.constantFrom<Step>("save", "push", "own", "wait") },
        { weight: 1, arbitrary: fc.constantFrom<Step>("regenerate", "destroy", "discard", "reload") },
      ),
      { maxLength: 8 },
    ),
    { minLength: 1, maxLength: 6 },
  ),
  delays: fc.array(fc.nat(3), { minLength: 1, maxLength: 20 }),
  encryption: fc.constantFrom("server" as const, "ticket" as const),
});

/**
 * A session from its start to its end, under one ticket after the other. Collects the changes that were reported as
 * saved: in the end the store must hold exactly these.
 */
class Life {
  saved = 0;
  pushed: string[] = [];
}

/** A request, and its changes that are not saved yet. */
class Request {
  life: Life;
  #unsaved = 0;
  #unpushed: string[] = [];
  readonly session: Session<Data>;
  readonly #name: string;

  constructor(session: Session<Data>, life: Life, name: string) {
    this.session = session;
    this.life = life;
    this.#name = name;
  }

  async do(step: Step, at: number): Promise<void> {
    const { session } = this;
    switch (step) {
      case "increment":
        session.update("n", (n) => ((n as number) ?? 0) + 1);
        this.#unsaved++;
        return;
      case "push": {
        const item = `${this.#name}.${at}`;
        session.data.list ??= [];
        (session.data.list as string[]).push(item);
        this.#unpushed.push(item);
        return;
      }
      case "own":
        session.set(`own ${this.#name}`, at);
        return;
      case "wait":
        return new Promise(setImmediate);
      case "save":
        return this.afterSave(await session.save());
      case "regenerate":
        return this.afterSave(await session.regenerate(), session.isNew);
      case "destroy":
        await session.destroy();
        this.forget();
        this.life = new Life();
        return;
      case "reload":
        await session.reload();
        return this.forget();
      case "discard":
        session.discard();
        return this.forget();
    }
  }

  afterSave(isSaved: boolean, isStillNew = false): void {
    if (isStillNew) return;
    if (isSaved) {
      this.life.saved += this.#unsaved;
      this.life.pushed.push(...this.#unpushed);
    }
    this.forget();
  }

  forget(): void {
    this.#unsaved = 0;
    this.#unpushed = [];
  }
}

describe("parallel requests with random steps and store delays", () => {
  test("never revive, split, lose or orphan a session, and the store holds every change reported as saved", async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async ({ servers, requests, delays, encryption }) => {
        const store = watched();
        const farm = Array.from({ length: servers }, () =>
          setUp({ encryption, merge: { list: "append" } as never }, store),
        );
        const { browser } = farm[0]!;
        await browser.request((session) => Object.assign(session.data, { n: 0, list: [] }));
        const first = browser.cookie!;

        const created = new Set(store.rows.keys());
        let call = 0;
        store.before = async () => {
          for (let left = delays[call++ % delays.length]!; left > 0; left--) await new Promise(setImmediate);
        };
        store.after = (operation, key) => {
          if (operation !== "create" || !isKey(key)) return;
          assert.ok(!created.has(key), "a key is never used twice: an ended session would be revived");
          created.add(key);
        };

        const life = new Life();
        const cookies = [first];
        const lives = new Map<string, Life>();
        await Promise.all(
          requests.map(async (steps, i) => {
            const session = await farm[i % servers]!.sessions.open(first);
            const request = new Request(session, session.isNew ? new Life() : life, String(i));
            for (const [at, step] of steps.entries()) await request.do(step, at);
            request.afterSave(await session.save());
            for (const cookie of await session.commit()) cookies.push(cookie.split(";")[0]!);
            lives.set(session.id, request.life);
          }),
        );
        store.before = undefined;

        const found = new Map<string, Session<Data>>();
        for (const cookie of cookies) {
          const session = await farm[0]!.sessions.open(cookie, { mode: "readonly" });
          if (!session.isNew) found.set(session.id, session);
        }
        assert.deepEqual(
          [...found.keys()].sort(),
          [...store.rows.keys()].sort(),
          "every record has a browser with its ticket",
        );
        const alive = [...found].map(([id, session]) => ({ life: lives.get(id) ?? life, session }));
        assert.equal(new Set(alive.map(({ life }) => life)).size, alive.length, "no session lives under two tickets");
        for (const { life, session } of alive) {
          assert.equal(session.get("n") ?? 0, life.saved);
          assert.deepEqual([...((session.get("list") as string[]) ?? [])].sort(), life.pushed.sort());
        }
        for (const { events } of farm) {
          assert.deepEqual(named(events, "unreadable"), []);
          assert.deepEqual(named(events, "storeError"), []);
        }
        const ends = farm.flatMap(({ events }) => named(events, "end").map(({ id }) => id));
        assert.equal(new Set(ends).size, ends.length, "an end is reported once");
      }),
      { numRuns: runs(400) },
    );
  });
});
