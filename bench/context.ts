// What the parts of a run share.
import type { Databases } from "./databases.ts";
import type { Entrant, Generator } from "./entrant.ts";
import type { ScenarioName } from "./scenarios.ts";

/** What a run measures, and the processes that it has started for that. */
export interface Context {
  chosen: readonly Entrant[];
  scenarios: readonly ScenarioName[];
  databases: Databases;
  generator: Generator;
}
