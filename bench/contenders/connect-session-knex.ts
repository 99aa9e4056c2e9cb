// The contender: express-session with connect-session-knex.
import { createRequire } from "node:module";
import knex from "knex";
import { withExpressSession } from "./with-express-session.ts";

const { ConnectSessionKnexStore } = createRequire(import.meta.url)("connect-session-knex") as {
  ConnectSessionKnexStore: new (options: object) => { ready: Promise<unknown> };
};

const CLIENTS: Record<string, string> = { postgres: "pg", mysql: "mysql2" };

/**
 * Its sessions live for a day after the last change, whatever is read. With a cookie that has no age a read writes
 * nothing, which is its cheapest configuration.
 */
export default withExpressSession(
  { postgres: "express-session, connect-session-knex (pg)", mysql: "express-session, connect-session-knex (mysql2)" },
  async (name, connection) => {
    // Not "sessions": express-mysql-session uses that name in the same database.
    const options = { knex: knex({ client: CLIENTS[name]!, connection }), tableName: "knex_sessions" };
    const store = new ConnectSessionKnexStore(options);
    await store.ready;
    return store;
  },
);
