import { startCountingProxy } from "../test/servers/counting-proxy.ts";
import type { Context } from "./context.ts";
import { type Entrant, RunningEntrant } from "./entrant.ts";
import { countSurvivors, type Survivors } from "./lost-updates.ts";
import { countCommands } from "./redis-counters.ts";
import type { ScenarioName } from "./scenarios.ts";

/** What one kind of request needs of the database. */
export interface RoundTrips {
  trips: number;
  /** Commands over the network, by name. Only Redis tells. */
  commands?: Record<string, number>;
}

export interface Checks {
  survivors?: Survivors;
  roundTrips: Partial<Record<ScenarioName, RoundTrips>>;
}

/** Connections, prepared statements, scripts and copies of sessions are made once. */
const WARM = 512;
const COUNTED = 100;

/** What does not depend on the machine: round trips, and who loses updates. */
export async function checkAll(context: Context, tell: (id: string) => void): Promise<Map<string, Checks>> {
  const checks = new Map<string, Checks>();
  for (const entrant of context.chosen) {
    if (entrant.store === "none") continue;
    tell(entrant.id);
    const { databases, generator } = context;
    const running = await RunningEntrant.start(entrant, databases, generator);
    const survivors = await countSurvivors(running);
    await running.stop();
    checks.set(entrant.id, { survivors, roundTrips: await countRoundTrips(context, entrant) });
  }
  return checks;
}

/** Requests go one after the other, through a proxy that sees who speaks. */
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
