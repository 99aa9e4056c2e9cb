// The conformance suite on the Cosmos DB store, against an emulator.

import { randomUUID } from "node:crypto";
import { after, beforeEach, describe, test } from "node:test";
import { conformance } from "../../../src/conformance/index.ts";
import makeStore from "../../fixtures/azure/cosmos.ts";
import { startCosmos } from "../../servers/cosmos.ts";

const server = await startCosmos();
after(() => server.close());
process.env.TEST_COSMOS = server.endpoint;

describe("conformance", () => {
  // The emulator scans the whole container for each write, so each case has a container of its own.
  beforeEach(() => {
    process.env.TEST_COSMOS_CONTAINER = randomUUID();
  });

  for (const { name, run } of conformance(makeStore, {
    list: true,
    claimExpired: true,
    watch: false,
    processes: new URL("../../fixtures/azure/cosmos.ts", import.meta.url),
    outage: { stop: () => server.stop(), start: () => server.start(), within: 5_000 },
  })) {
    test(name, run);
  }
});
