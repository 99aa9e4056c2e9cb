// A server of a farm, without HTTP: writes to one session concurrently and counts the store calls.
import { createSessions, type Mode, type SessionStore } from "../src/index.ts";
import { SECRET, type StoreName } from "./contender.ts";
import { storeNamed } from "./contenders/coatcheck.ts";

export type ContentionQuestion =
  /** Begins a session whose `n` is 0, and answers with its cookie. */
  | { ask: "begin" }
  | { ask: "n"; cookie: string }
  /** Increments `n` in `count` concurrent requests. */
  | { ask: "increment"; cookie: string; mode: Mode; count: number }
  /** Opens the session in exclusive mode `count` times, one after the other. */
  | { ask: "hold"; cookie: string; count: number };

export interface Cost {
  /** Update calls to the store. */
  writes: number;
  /** Update calls that the store refused. */
  conflicts: number;
  reads: number;
}

/** When a request got the session to itself, and when it began to release it. Nanoseconds of the machine's clock. */
export type Hold = [from: bigint, to: bigint];
export type ContentionAnswer = string | number | Cost | Hold[];

const [name, address] = process.argv.slice(2) as [StoreName, string];
const cost: Cost = { writes: 0, conflicts: 0, reads: 0 };
const sessions = createSessions<{ n: number }>({
  store: counting(await storeNamed(name, address)),
  secret: SECRET,
  exclusive: { maxQueue: 1_000, maxWait: "2m" },
  storeTimeout: "30s",
});

process.on("message", async (question: ContentionQuestion) => {
  process.send!(await answer(question));
});
process.on("disconnect", () => process.exit());
process.send!("ready");

async function answer(question: ContentionQuestion): Promise<ContentionAnswer> {
  switch (question.ask) {
    case "begin": {
      const session = await sessions.open(undefined);
      session.set("n", 0);
      return (await session.commit())[0]!.split(";")[0]!;
    }
    case "n":
      return (await sessions.open(question.cookie, { mode: "readonly" })).data.n;
    case "increment": {
      const { cookie, mode, count } = question;
      Object.assign(cost, { writes: 0, conflicts: 0, reads: 0 });
      await Promise.all(Array.from({ length: count }, () => increment(cookie, mode)));
      return cost;
    }
    case "hold": {
      const holds: Hold[] = [];
      for (let i = 0; i < question.count; i++) {
        const session = await sessions.open(question.cookie, { mode: "exclusive" });
        const from = process.hrtime.bigint();
        session.data.n++;
        // Long enough for the other server to be waiting.
        await new Promise((resolve) => setTimeout(resolve, 5));
        holds.push([from, process.hrtime.bigint()]);
        await session.commit();
      }
      return holds;
    }
  }
}

async function increment(cookie: string, mode: Mode): Promise<void> {
  const session = await sessions.open(cookie, { mode });
  if (mode === "exclusive") session.data.n++;
  else session.update("n", (n) => (n ?? 0) + 1);
  await session.commit();
}

function counting(store: SessionStore): SessionStore {
  return {
    ...store,
    read(key, touchUntil) {
      cost.reads++;
      return store.read(key, touchUntil);
    },
    async update(key, session, ifVersion) {
      cost.writes++;
      const version = await store.update(key, session, ifVersion);
      if (version === "conflict") cost.conflicts++;
      return version;
    },
  };
}
