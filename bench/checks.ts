// Checks that do not depend on the machine: lost updates and round trips.
import { startCountingProxy } from "../test/servers/counting-proxy.ts";
import type { Context } from "./context.ts";
import { type Entrant, RunningEntrant } from "./entrant.ts";
import { countSurvivors, type Survivors } from "./lost-updates.ts";
import { countCommands } from "./redis-counters.ts";
import type { ScenarioName } from "./scenarios.ts";

/** What one scenario asks of the database, for each request. */
export interface RoundTrips {
  trips: number;
  /** Commands over the network, by name. Only for Redis. */
  commands?: Record<string, number>;
}

export interface Checks {
  survivors?: Survivors;
  roundTrips: Partial<Record<ScenarioName, RoundTrips>>;
}

/** Requests before the count, for what happens once: connections, prepared statements, scripts, cached sessions. */
const WARM = 512;
const COUNTED = 100;

/** `onStart` is called before each contender's checks. */
export async function checkAll(context: Context, onStart: (id: string) => void): Promise<Map<string, Checks>> {
  const checks = new Map<string, Checks>();
  for (const entrant of context.chosen) {
    if (entrant.store === "none") continue;
    onStart(entrant.id);
    const { databases, generator } = context;
    const running = await RunningEntrant.start(entrant, databases, generator);
    const survivors = await countSurvivors(running);
    await running.stop();
    checks.set(entrant.id, { survivors, roundTrips: await countRoundTrips(context, entrant) });
  }
  return checks;
}

/** Sends requests one after the other, through a proxy that counts round trips. */
async function countRoundTrips(
  { databases, generator, scenarios }: Context,
  entrant: Entrant,
): Promise<Checks["roundTrips"]> {
  const database = databases.of(entrant.store);
  if (database === undefined) return {};
  const proxy = await startCountingProxy(database.port);
  const address = new URL(database.url);
  address.port = String(proxy.port);
  const running = await RunningEntrant.start(entrant, databases, generator, { address: address.href });
  const roundTrips: Checks["roundTrips"] = {};
  await running.seed();
  for (const scenario of scenarios) {
    await running.measure(scenario, WARM);
    let trips = 0;
    const work = async () => {
      proxy.take();
      await running.oneByOne(scenario, COUNTED);
      trips = proxy.take() / COUNTED;
    };
    if (databases.redis?.port === database.port) {
      const seen = await countCommands(databases.redis, work);
      const commands = Object.fromEntries([...seen].map(([command, times]) => [command, times / COUNTED]));
      roundTrips[scenario] = { trips, commands };
    } else {
      await work();
      roundTrips[scenario] = { trips };
    }
  }
  await running.stop();
  await proxy.close();
  return roundTrips;
}
