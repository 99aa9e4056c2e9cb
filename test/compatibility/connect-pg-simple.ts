// The tests of connect-pg-simple that need a database: its store on the drop-in's Store, and under the drop-in itself.

import { startPostgres } from "../servers/postgres.ts";
import { rangesOf, type Suite } from "./suite.ts";

const VERSION = "10.0.0";
const REPOSITORY = "https://github.com/voxpelli/node-connect-pg-simple.git";
const FILES = ["index.js", "table.sql", "package.json", "test/db-utils.js", "test/integration"];
const ASSERTIONS = ["chai", "chai-as-promised", "sinon", "sinon-chai", "cookiejar", "cookie-signature"];
const RUNNER = [...ASSERTIONS, "dotenv", "express", "express-session", "mocha", "pg", "pg-promise", "supertest"];

export const connectPgSimple: Suite = {
  name: "connect-pg-simple",
  deviations: [],

  async run(folder) {
    const version = await folder.checkOut(this.name, REPOSITORY, VERSION, FILES);
    await folder.install(...rangesOf(folder.read("package.json"), RUNNER));
    folder.placeDropIn();
    const server = await startPostgres();
    try {
      const env = { PGHOST: "127.0.0.1", PGPORT: String(server.port), PGUSER: "postgres", PGDATABASE: "postgres" };
      const tests = await folder.mocha(["test/integration/*.spec.js"], env);
      return { version, tests };
    } finally {
      await server.stop();
    }
  },
};
