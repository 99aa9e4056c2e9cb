import { after, describe, test } from "node:test";
import { conformance } from "../../src/conformance/index.ts";
import makeStore from "../fixtures/sql/mysql.ts";
import { startMariadb } from "../servers/mariadb.ts";

const server = await startMariadb();
after(() => server.stop());
const { url } = server;
process.env.TEST_MYSQL_URL = url;

describe("conformance", () => {
  for (const { name, run } of conformance(makeStore, {
    list: true,
    claimExpired: true,
    watch: false,
    processes: new URL("../fixtures/sql/mysql.ts", import.meta.url),
    outage: { stop: () => server.stop(), start: () => server.start() },
  })) {
    test(name, run);
  }
});
