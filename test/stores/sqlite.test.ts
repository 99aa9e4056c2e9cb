import { join } from "node:path";
import { describe, test } from "node:test";
import { conformance } from "../../src/conformance/index.ts";
import makeStore from "../fixtures/sql/sqlite.ts";
import { tempDir } from "../servers/process.ts";

const dir = tempDir("sqlite");
process.env.TEST_SQLITE_PATH = join(dir, "sessions.db");

describe("conformance", () => {
  for (const { name, run } of conformance(makeStore, {
    list: true,
    claimExpired: true,
    watch: false,
    processes: new URL("../fixtures/sql/sqlite.ts", import.meta.url),
  })) {
    test(name, run);
  }
});
