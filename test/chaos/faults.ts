// Injects faults by a seed.
import { setTimeout as sleep } from "node:timers/promises";
import type { Faults } from "./environments.ts";
import type { Farm } from "./farm.ts";
import type { Random } from "./random.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** Faults during which a server reaches its store in time to renew a session. */
export const BRIEF_FAULTS: readonly string[] = ["kill server", "clock jump", "delays", "delay", "slot migration"];

/** The faults of a farm's servers. `clocks`: by how much each is wrong from the beginning. Those stay as wrong. */
export function serverFaults(
  farm: Farm,
  { inProcess, isRotated, clocks }: { inProcess: boolean; isRotated: boolean; clocks: readonly number[] },
): Faults {
  const right = [...clocks.keys()].filter((server) => clocks[server] === 0);
  const any = (random: Random) => random.between(0, farm.ports.length - 1);
  return {
    // A store inside the process ends with it. In a rotation, servers start again anyway, one at a time.
    ...(!inProcess && !isRotated && { "kill server": killAny }),
    ...(!isRotated && { "pause server": pauseAny }),

    async "clock jump"(random) {
      const jump = random.between(-MINUTE, MINUTE);
      // A store inside the process goes by the clock of the process.
      farm.shiftClock(random.pick(right), inProcess ? jump : random.pick([jump, -HOUR, HOUR, 0]));
    },
  };

  async function pauseAny(random: Random): Promise<void> {
    const server = any(random);
    farm.pause(server);
    await sleep(random.pause(2_500));
    farm.resume(server);
  }

  async function killAny(random: Random): Promise<void> {
    const server = any(random);
    await farm.kill(server);
    await sleep(random.pause(500));
    await farm.start(server);
  }
}

/** One server's clock is an hour behind or ahead from the beginning: for longer than sessions last. */
export function wrongClocks(servers: number, random: Random): number[] {
  const clocks = new Array<number>(servers).fill(0);
  clocks[random.between(0, servers - 1)] = random.pick([-HOUR, HOUR]);
  return clocks;
}

/** The faults of these names, or all. */
export function pick(faults: Faults, names: readonly string[] | undefined): Faults {
  if (names === undefined) return faults;
  return Object.fromEntries(Object.entries(faults).filter(([name]) => names.includes(name)));
}

/**
 * Injects faults one after the other until `over` is aborted, and resolves when the last one has ended. The random numbers
 * decide which faults, their order, their durations and the pauses between them.
 */
export async function injectFaults(
  faults: Faults,
  { random, pause, over }: { random: Random; pause: [number, number]; over: AbortSignal },
  onFault: (name: string) => void,
): Promise<void> {
  const names = Object.keys(faults);
  while (names.length > 0) {
    await sleep(random.between(...pause));
    if (over.aborted) return;
    const name = random.pick(names);
    onFault(name);
    await faults[name]!(random);
  }
}
