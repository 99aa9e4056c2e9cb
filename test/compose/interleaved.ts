// Runs servers whose store calls interleave in a random, repeatable order.

import { setImmediate as turnOfLoop } from "node:timers/promises";
import type { SessionStore } from "../../src/store.ts";

/** A generator of whole numbers below a limit. The same seed gives the same numbers. */
export function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    // mulberry32
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** A server of the farm. Its calls to stores run when the random order lets them. */
export interface Actor {
  /** The store as this actor uses it: every call is one step. */
  through(store: SessionStore): SessionStore;
  /** True once the actor is killed. Its pending call never settles. */
  readonly isDead: boolean;
}

/**
 * Runs actors so that their calls to stores interleave in a random order, one call at a time. Before one call in
 * `killOneIn`, its actor is killed instead, as by kill -9; with 0, none is. `afterStep` runs after each call.
 */
export async function interleave(
  random: (below: number) => number,
  killOneIn: number,
  actors: ((actor: Actor) => Promise<void>)[],
  afterStep: () => Promise<void>,
): Promise<void> {
  const waiting: { number: number; go: () => void }[] = [];
  const dead = new Set<number>();
  let running = actors.length;
  const failures: unknown[] = [];

  for (const [number, run] of actors.entries()) {
    const step = <T>(call: () => Promise<T>) =>
      new Promise<T>((resolve, reject) => {
        waiting.push({ number, go: () => call().then(resolve, reject) });
      });
    run({
      through: (store) => gated(store, step),
      get isDead() {
        return dead.has(number);
      },
    })
      .catch((error) => failures.push(error))
      .finally(() => running--);
  }
  for (;;) {
    // One turn of the event loop finishes everything that follows from the last step.
    await turnOfLoop();
    if (failures.length > 0) throw failures[0];
    if (running === dead.size) return;
    const ready = waiting.filter(({ number }) => !dead.has(number));
    if (ready.length === 0) continue;
    const next = ready[random(ready.length)]!;
    if (killOneIn > 0 && random(killOneIn) === 0) {
      dead.add(next.number);
      continue;
    }
    waiting.splice(waiting.indexOf(next), 1);
    next.go();
    await turnOfLoop();
    await afterStep();
  }
}

function gated(store: SessionStore, step: <T>(call: () => Promise<T>) => Promise<T>): SessionStore {
  return {
    read: (key, touchUntil) => step(() => store.read(key, touchUntil)),
    create: (key, session) => step(() => store.create(key, session)),
    update: (key, session, ifVersion) => step(() => store.update(key, session, ifVersion)),
    delete: (key, ifVersion) => step(() => store.delete(key, ifVersion)),
    touch: (key, expiresAt) => step(() => store.touch(key, expiresAt)),
    list: (query) => store.list!(query),
    close: async () => {},
  };
}
