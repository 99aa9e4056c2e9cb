import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import pg from "pg";
import { conformance } from "../../src/conformance/index.ts";
import { postgres } from "../../src/stores/postgres.ts";
import makeStore from "../fixtures/sql/postgres.ts";
import { startPostgres } from "../servers/postgres.ts";

const server = await startPostgres();
after(() => server.stop());
const { url } = server;
process.env.TEST_POSTGRES_URL = url;

describe("conformance", () => {
  for (const { name, run } of conformance(makeStore, {
    list: true,
    claimExpired: true,
    watch: true,
    processes: new URL("../fixtures/sql/postgres.ts", import.meta.url),
    outage: { stop: () => server.stop(), start: () => server.start() },
  })) {
    test(name, run);
  }
});

describe("conformance without notifications and prepared statements", () => {
  const plain = () => postgres({ url, createTable: true, table: "plain", prepare: false });
  for (const { name, run } of conformance(plain, { list: true, claimExpired: true, watch: false })) test(name, run);
});
