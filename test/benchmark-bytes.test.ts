import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { measure } from "../bench/bytes/life.ts";
import { places } from "../bench/bytes/places.ts";
import { tenKeys } from "../bench/session-data.ts";

const COUNT = 500;
const DATA = JSON.stringify(tenKeys()).length;
/** Most of a small table is room: MariaDB takes a few megabytes at once. */
const MOST = 12 * DATA;

describe("what a session takes in a store", () => {
  for (const [name, start] of Object.entries(places)) {
    test(`${name}: all of it counts, and only once, however often it is changed`, async () => {
      const place = await start();
      try {
        assert.match(place.version, /^\w+ [\d.]+$/);
        const sealed = await measure(place, COUNT, "1 KB", "sealed");
        const churned = await measure(place, COUNT, "1 KB", "churned");
        for (const bytes of [sealed, churned]) assert.ok(bytes > DATA && bytes < MOST, `${bytes} bytes`);
        assert.ok(churned < 2 * sealed, `${churned} after churn, ${sealed} before`);
        const small = await measure(place, COUNT, "300 bytes", "sealed");
        assert.ok(small < sealed, `${small} bytes`);
      } finally {
        await place.stop();
      }
    });
  }
});
