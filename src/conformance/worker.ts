import type { SessionStore } from "../store.ts";
import { begin, bytes, HOUR, inAnHour, increment, session } from "./kit.ts";

/** What the parent asks of a process of the farm. */
export type Task =
  | { do: "increment"; key: string; count: number }
  | { do: "create"; key: string; value: string }
  | { do: "write on"; key: string }
  | { do: "claim"; limit: number }
  | { do: "end" };

export interface Request {
  id: number;
  task: Task;
}

/** What the process answers: to id 0 once it is ready, then to each request; and each round while it writes on. */
export type Answer = { id: number; done: unknown } | { id: number; error: string } | { written: number };

// This module runs in a process of its own; its argument is the module that makes the store.
const { default: makeStore } = (await import(process.argv[2]!)) as {
  default: () => SessionStore | Promise<SessionStore>;
};
const store = await makeStore();

process.on("message", async ({ id, task }: Request) => {
  try {
    say({ id, done: await perform(task) });
  } catch (error) {
    say({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
  // The process must now end by itself: a store that was closed holds nothing open.
  if (task.do === "end") process.disconnect();
});
say({ id: 0, done: true });

function perform(task: Task): Promise<unknown> {
  switch (task.do) {
    case "increment":
      return increment(store, task.key, task.count);
    case "create":
      return store.create(task.key, session({ value: bytes(task.value) }));
    case "write on":
      return writeOn(task.key);
    case "claim":
      return store.claimExpired!(Date.now(), task.limit).then((claimed) => claimed.map(({ key }) => key));
    case "end":
      return store.close();
  }
}

/** Writes of every kind until the process is killed, and says after each increment that it is written. */
async function writeOn(key: string): Promise<never> {
  for (let round = 1; ; round++) {
    await increment(store, key, 1);
    say({ written: round });
    const large = await begin(store, { value: new Uint8Array(50_000).fill(round), owner: "writer" });
    await store.touch(large.key, Date.now() + 2 * HOUR);
    await store.update(large.key, session({ value: bytes("small"), expiresAt: inAnHour() }), large.version);
    await store.delete(large.key);
  }
}

function say(answer: Answer): void {
  process.send!(answer);
}
