// A process of the conformance suite. Its argument is the URL of the module that makes the store.

import type { SessionStore } from "../store.ts";
import { byLocalClock, clockOffset } from "./clock.ts";
import { begin, bytes, HOUR, inAnHour, increment, session } from "./kit.ts";

/** A task that the parent gives to a process of the farm. */
export type Task =
  | { do: "increment"; key: string; count: number }
  | { do: "create"; key: string; value: string }
  | { do: "keep writing"; key: string }
  | { do: "claim"; limit: number }
  | { do: "end" };

export interface Request {
  id: number;
  task: Task;
}

/** A message to the parent: with id 0 when the process is ready, for each request, and for each round of "keep writing". */
export type Answer = { id: number; done: unknown } | { id: number; error: string } | { written: number };

const { default: makeStore } = (await import(process.argv[2]!)) as {
  default: () => SessionStore | Promise<SessionStore>;
};
const made = await makeStore();
const store = byLocalClock(made, await clockOffset(made));

process.on("message", async ({ id, task }: Request) => {
  try {
    send({ id, done: await perform(task) });
  } catch (error) {
    send({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
  // The process must now exit by itself, since a closed store holds nothing open.
  if (task.do === "end") process.disconnect();
});
send({ id: 0, done: true });

function perform(task: Task): Promise<unknown> {
  switch (task.do) {
    case "increment":
      return increment(store, task.key, task.count);
    case "create":
      return store.create(task.key, session({ value: bytes(task.value) }));
    case "keep writing":
      return keepWriting(task.key);
    case "claim":
      return store.claimExpired!(Date.now(), task.limit).then((claimed) => claimed.map(({ key }) => key));
    case "end":
      return store.close();
  }
}

/** Makes writes of every kind until the process is killed, and reports each increment after it is written. */
async function keepWriting(key: string): Promise<never> {
  for (let round = 1; ; round++) {
    await increment(store, key, 1);
    send({ written: round });
    const large = await begin(store, { value: new Uint8Array(50_000).fill(round), owner: "writer" });
    await store.touch(large.key, Date.now() + 2 * HOUR);
    await store.update(large.key, session({ value: bytes("small"), expiresAt: inAnHour() }), large.version);
    await store.delete(large.key);
  }
}

function send(answer: Answer): void {
  process.send!(answer);
}
