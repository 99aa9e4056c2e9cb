import type { Databases } from "./databases.ts";
import type { Entrant, Generator } from "./entrant.ts";
import type { ScenarioName } from "./scenarios.ts";

/** What a run has to do, and what it has started for it. */
export interface Context {
  chosen: readonly Entrant[];
  scenarios: readonly ScenarioName[];
  databases: Databases;
  generator: Generator;
}
