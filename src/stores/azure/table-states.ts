import type { Entity } from "./table-client.ts";
import { isLive, type Known, partitionOf, STATE, stateOf } from "./table-layout.ts";
import type { Requests } from "./table-requests.ts";

/** What this process knows of sessions from their last read or write, so that a write need not look first. */
export interface States {
  remember(row: string, known: Known): void;
  forget(row: string): void;
  /** Asks the service. */
  look(row: string): Promise<Known | undefined>;
  /** A state that is good enough to try a write with, since the write is refused if it is not the latest. */
  recall(row: string, version?: unknown): Promise<Known | undefined>;
  clear(): void;
}

/** How many sessions' ETags are remembered from their last read or write. */
const MEMORY = 2_000;

export function states({ ask }: Requests): States {
  const remembered = new Map<string, Known>();

  function remember(row: string, known: Known): void {
    remembered.delete(row);
    remembered.set(row, known);
    if (remembered.size > MEMORY) remembered.delete(remembered.keys().next().value!);
  }

  async function look(row: string): Promise<Known | undefined> {
    remembered.delete(row);
    const found = await ask("read", ["missing"], (client, options) =>
      client.getEntity(partitionOf(row), row, { ...options, queryOptions: { select: STATE } }),
    );
    return found === "missing" ? undefined : stateOf(found as Entity);
  }

  return {
    remember,
    look,

    forget(row) {
      remembered.delete(row);
    },

    async recall(row, version) {
      const known = remembered.get(row);
      const fits = isLive(known) && (version === undefined || known.version === version);
      return fits ? known : look(row);
    },

    clear() {
      remembered.clear();
    },
  };
}
