// No error shows a credential: a secret is planted in each option of each store, in each form.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { inspect } from "node:util";
import { fromConfig } from "../../src/config/index.ts";
import schemas from "../../src/config/schema.json" with { type: "json" };
import { createSessions, type SessionStore } from "../../src/index.ts";
import { azureTable } from "../../src/stores/azure-table/index.ts";
import { cosmos } from "../../src/stores/cosmos/index.ts";
import { fromExpressStore } from "../../src/stores/express-session/index.ts";
import { file } from "../../src/stores/file/index.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { mssql } from "../../src/stores/mssql/index.ts";
import { mysql } from "../../src/stores/mysql/index.ts";
import { postgres } from "../../src/stores/postgres/index.ts";
import { redis } from "../../src/stores/redis/index.ts";
import { sqlite } from "../../src/stores/sqlite/index.ts";
import { fromUnstorage } from "../../src/stores/unstorage/index.ts";
import { SECRET } from "../support/stores.ts";

const PLANTED = "sekretD41d8";
const NOWHERE = "127.0.0.1:1";

const folder = mkdtempSync(join(tmpdir(), "coatcheck-option-secrets-"));
// Stores of files take any text for a path, and make a folder of that name.
const before = process.cwd();
process.chdir(folder);
after(() => {
  process.chdir(before);
  rmSync(folder, { recursive: true, force: true });
});

/** Forms in which a password stands in an address or in a connection string, right and wrong ones. */
const FORMS: readonly unknown[] = [
  ...["redis", "rediss", "mysql", "postgres", "http", "https", "unix", "nonsense"].map(
    (protocol) => `${protocol}://user:${PLANTED}@${NOWHERE}/x`,
  ),
  `redis//:${PLANTED}@${NOWHERE}`,
  `redis://:p/${PLANTED}@${NOWHERE}`,
  `mysql://user:${PLANTED}@[${NOWHERE}`,
  `postgres://user:${PLANTED}@host:port/x`,
  `user:${PLANTED}@127.0.0.1`,
  `user:${PLANTED}@${NOWHERE}`,
  `127.0.0.1,password=${PLANTED},ssl=True`,
  `Server=127.0.0.1,1;User Id=u;Password=${PLANTED};Nonsense`,
  `Server=127.0.0.1,1;Database=x;User Id=u;Password=${PLANTED};Timeout=1`,
  `DefaultEndpointsProtocol=http;AccountName=a;AccountKey=${PLANTED}`,
  `DefaultEndpointsProtocol=http;AccountName=a;AccountKey=${PLANTED};TableEndpoint=http://${NOWHERE}/a`,
  `TableEndpoint=http://${NOWHERE}/a;SharedAccessSignature=sv=1&sig=${PLANTED}`,
  `AccountEndpoint=http://${NOWHERE};AccountKey=${PLANTED}`,
  `http://${NOWHERE}/a?sv=1&sig=${PLANTED}`,
  { value: `user:${PLANTED}@x` },
  [`redis://:${PLANTED}@${NOWHERE}`],
  { nodes: [`nonsense://:${PLANTED}@x`] },
  { name: "m", nodes: [NOWHERE], password: PLANTED },
  { name: "m", nodes: [`:${PLANTED}@${NOWHERE}`] },
  { password: PLANTED, host: "127.0.0.1", port: 1, server: "127.0.0.1", user: "u" },
  { password: [PLANTED], host: `u:${PLANTED}@127.0.0.1`, server: `u:${PLANTED}@127.0.0.1`, port: 1, user: "u" },
  { connectionString: `postgres://u:${PLANTED}@${NOWHERE}/x`, uri: `mysql//u:${PLANTED}@${NOWHERE}/x`, port: 1 },
];

/** Options that hold a credential as it is. */
const CREDENTIAL = /^(url|connectionString|accessKey|accountKey|sasToken|key|credential|secret|endpoint|client|pool)$/;

/** What makes the store, options that fail at the first call, and options that a file can't give. */
const STORES: Record<string, [make: (options: never) => SessionStore, options: object, more?: readonly string[]]> = {
  memory: [memory, {}],
  file: [file, { path: folder }],
  redis: [redis, { host: "127.0.0.1", port: 1 }, ["client"]],
  postgres: [postgres, { url: `postgres://${NOWHERE}/x`, timeout: 300 }, ["pool"]],
  mysql: [mysql, { url: `mysql://${NOWHERE}/x`, timeout: 300 }, ["pool"]],
  sqlite: [sqlite, { path: join(folder, "sessions.db"), timeout: 300 }, ["database"]],
  mssql: [mssql, { connectionString: `Server=127.0.0.1,1;Database=x;User Id=u;Password=p`, timeout: 300 }, ["credential", "pool"]], // biome-ignore format: one line
  "azure-table": [azureTable, { account: "a", endpoint: `http://${NOWHERE}/a`, accountKey: "YQ==", timeout: 300 }, ["credential", "client"]], // biome-ignore format: one line
  cosmos: [cosmos, { endpoint: `http://${NOWHERE}`, key: "YQ==", requestTimeout: 300, maxThrottleWait: 1 }, ["credential", "client", "agent", "onRequestCharge"]], // biome-ignore format: one line
  unstorage: [(options) => fromUnstorage(options, options), {}, ["base", "timeout"]],
  express: [(options) => fromExpressStore(options, options), {}, ["timeout"]],
};

/** All errors of making the store, of its first call, and of createSessions with it. */
async function errorsOf(make: () => SessionStore): Promise<unknown[]> {
  const errors: unknown[] = [];
  const note = (error: unknown) => void errors.push(error);
  try {
    const store = make();
    await Promise.race([store.read("key").catch(note), sleep(2_000, undefined, { ref: false })]);
    const sessions = createSessions({ store, secret: SECRET, storeTimeout: 300, sweepInterval: false });
    await sessions.count().catch(note);
    await sessions.close().catch(note);
  } catch (error) {
    note(error);
  }
  return errors;
}

function assertHidden(errors: readonly unknown[], what: string): void {
  for (const error of errors) {
    const { message, stack } = error as Error;
    for (const text of [message, stack, inspect(error, { depth: 10 }), JSON.stringify(error)]) {
      if (text?.includes(PLANTED)) assert.fail(`${what} shows the secret: ${text}`);
    }
  }
}

for (const [name, [make, options, more = []]] of Object.entries(STORES)) {
  describe(`${name}: no error shows a secret`, () => {
    const definition = schemas.$defs[name as keyof typeof schemas.$defs] as { properties?: object } | undefined;
    for (const option of [...Object.keys(definition?.properties ?? {}), ...more]) {
      test(`of ${option}`, async () => {
        const forms = CREDENTIAL.test(option) ? [...FORMS, PLANTED, [PLANTED]] : FORMS;
        await Promise.all(
          forms.map(async (form) => {
            const what = `${name}({ ${option}: ${inspect(form)} })`;
            assertHidden(await errorsOf(() => make({ ...options, [option]: form } as never)), what);
            assertHidden(await errorsOf(() => make({ [option]: form } as never)), `only ${what}`);
          }),
        );
      });
    }
  });
}

describe("a configuration: no error shows a secret", () => {
  const note = (errors: unknown[]) => (error: unknown) => void errors.push(error);

  test("of a store's option", async () => {
    for (const [mode, definition] of Object.entries(schemas.$defs)) {
      if (!("properties" in definition)) continue;
      for (const option of Object.keys(definition.properties)) {
        const errors: unknown[] = [];
        for (const form of FORMS) await fromConfig({ mode, options: { [option]: form } }).catch(note(errors));
        assertHidden(errors, `${mode}: ${option}`);
      }
    }
  });

  test("of any other option", async () => {
    for (const option of Object.keys(schemas.properties)) {
      const errors: unknown[] = [];
      for (const form of FORMS) await fromConfig({ [option]: form }).catch(note(errors));
      assertHidden(errors, option);
    }
  });
});

test("createSessions: no error shows a secret, whatever the option", () => {
  const names = ["store", "secret", "idleTimeout", "absoluteTimeout", "application", "cookie", "encryption", "compress", "mode", "exclusive", "merge", "initial", "maxSize", "storeTimeout", "onStoreError", "sweepInterval", "nonsense"]; // biome-ignore format: one line
  for (const name of names) {
    for (const form of [...FORMS, PLANTED, `${PLANTED}0123456789abcdef0123`]) {
      if (form === PLANTED && name !== "secret") continue;
      try {
        void createSessions({ secret: SECRET, sweepInterval: false, [name]: form } as object).close();
      } catch (error) {
        assertHidden([error], `createSessions({ ${name}: ${inspect(form)} })`);
      }
    }
  }
});
