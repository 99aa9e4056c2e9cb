// Rotates the secret of a farm while requests run, by the words of the guide.
import { setTimeout as sleep } from "node:timers/promises";
import type { Farm } from "./farm.ts";
import type { Random } from "./random.ts";
import { SECRETS } from "./session-data.ts";

export interface Rotation {
  /** The secrets of a server that is started now. */
  of(server: number): readonly string[];
  /** Changes the secrets of one server after the other. Resolves when all have the new secret only. */
  rotate(farm: Farm, random: Random, onChange: (what: string) => void): Promise<void>;
}

const [OLD, NEW] = SECRETS;

/** Milliseconds by which servers may know a session to be younger than it is, after a slow answer of the store. */
const CLOCK_ERROR_MS = 1_000;

/** `absoluteTimeout`: milliseconds after which all sessions with tickets under the old secret have ended. */
export function rotation(servers: number, absoluteTimeout: number): Rotation {
  const secrets = new Array<readonly string[]>(servers).fill([OLD]);
  return {
    of: (server) => secrets[server]!,

    async rotate(farm, random, onChange) {
      // While a step is under way, some servers have the secrets of the step before.
      const step = async (name: string, next: readonly string[]) => {
        for (let server = 0; server < servers; server++) {
          await sleep(random.between(200, 600));
          onChange(name);
          secrets[server] = next;
          await farm.restart(server);
        }
      };
      await step("[old, new]", [OLD, NEW]);
      await step("[new, old]", [NEW, OLD]);
      await sleep(absoluteTimeout + CLOCK_ERROR_MS);
      await step("[new]", [NEW]);
    },
  };
}
