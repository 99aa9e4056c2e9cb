import { setTimeout as sleep } from "node:timers/promises";
import type { Farm } from "./farm.ts";
import { now } from "./history.ts";
import type { Fault } from "./places.ts";
import { type Random, randomFrom } from "./random.ts";

/** What can happen to the servers of a farm. */
export function serverFaults(farm: Farm): Record<string, Fault> {
  const any = (random: Random) => random.between(0, farm.ports.length - 1);
  return {
    async "kill server"(random) {
      const server = any(random);
      await farm.kill(server);
      await sleep(random.pause(500));
      await farm.start(server);
    },
    async "pause server"(random) {
      const server = any(random);
      farm.pause(server);
      await sleep(random.pause(2_500));
      farm.resume(server);
    },
    "clock jump": async (random) => farm.shiftClock(any(random), random.between(-60_000, 60_000)),
  };
}

/**
 * Lets things happen one after the other until it is time to stop, and resolves when all is well again. The seed
 * decides what happens, in which order, for how long, and with what pauses.
 */
export async function badLuck(
  faults: Record<string, Fault>,
  { seed, stream, until, pause }: { seed: number; stream: number; until: number; pause: [number, number] },
  happens: (name: string) => void,
): Promise<void> {
  const random = randomFrom(seed, stream);
  const names = Object.keys(faults);
  while (names.length > 0) {
    await sleep(random.between(...pause));
    if (now() >= until) return;
    const name = random.pick(names);
    happens(name);
    await faults[name]!(random);
  }
}
