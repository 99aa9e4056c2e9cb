// Tests that bench:bytes counts the bytes of sessions in each database.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { environments } from "../../bench/bytes/environments.ts";
import { measure } from "../../bench/bytes/life.ts";
import { tenKeys } from "../../bench/session-data.ts";

const COUNT = 500;
const DATA = JSON.stringify(tenKeys()).length;
/** Most of a small table is free room: MariaDB allocates a few megabytes in one step. */
const MOST = 12 * DATA;

describe("the bytes of a session in a store", () => {
  for (const [name, start] of Object.entries(environments)) {
    test(`${name}: include all of its data, and do not grow with its changes`, async () => {
      const environment = await start();
      try {
        assert.match(environment.version, /^\w+ [\d.]+$/);
        const sealed = await measure(environment, COUNT, "1 KB", "sealed");
        const churned = await measure(environment, COUNT, "1 KB", "churned");
        for (const bytes of [sealed, churned]) assert.ok(bytes > DATA && bytes < MOST, `${bytes} bytes`);
        assert.ok(churned < 2 * sealed, `${churned} after churn, ${sealed} before`);
        const small = await measure(environment, COUNT, "300 bytes", "sealed");
        assert.ok(small < sealed, `${small} bytes`);
      } finally {
        await environment.stop();
      }
    });
  }
});
