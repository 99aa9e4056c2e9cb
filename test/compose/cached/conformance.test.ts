// cached: conformance in front of file, redis and postgres.

import { describe, test } from "node:test";
import { type Capabilities, conformance } from "../../../src/conformance/index.ts";
import type { SessionStore } from "../../../src/store.ts";
import makeFile from "../../fixtures/compose/cached-file.ts";
import makePostgres from "../../fixtures/compose/cached-postgres.ts";
import makeRedis from "../../fixtures/compose/cached-redis.ts";
import { startPostgres } from "../../servers/postgres.ts";
import { tempDir } from "../../servers/process.ts";
import { startRedis } from "../../servers/redis.ts";

const [redis, postgres] = await Promise.all([startRedis(), startPostgres()]);
process.env.TEST_REDIS_URL = redis.url;
process.env.TEST_POSTGRES_URL = postgres.url;
process.env.COATCHECK_TEST_FILE = tempDir("cached-file");

// Concurrent, since the cases mostly wait for sessions to expire.
describe("cached: conformance", { concurrency: 3 }, () => {
  conforms("file", makeFile, { claimExpired: true });
  conforms("redis", makeRedis, { claimExpired: false, outage: { ...redis, within: 5_000 } });
  conforms("postgres", makePostgres, { claimExpired: true, outage: { ...postgres, within: 15_000 } });
});

function conforms(name: string, makeStore: () => SessionStore, capabilities: Capabilities): void {
  const processes = new URL(`../../fixtures/compose/cached-${name}.ts`, import.meta.url);
  describe(name, { concurrency: 1 }, () => {
    for (const one of conformance(makeStore, { list: true, watch: true, processes, ...capabilities })) {
      test(one.name, one.run);
    }
  });
}
