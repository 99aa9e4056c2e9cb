// The contender: express-session with connect-pg-simple.
import { createRequire } from "node:module";
import pg from "pg";
import { IDLE_SECONDS } from "../contender.ts";
import { expressSession, withExpressSession } from "./with-express-session.ts";

interface PgStore {
  query(text: string, values: unknown[], done: (error: Error | null) => void): void;
}
const connectPgSimple = createRequire(import.meta.url)("connect-pg-simple") as (
  session: unknown,
) => new (
  options: object,
) => PgStore;

/** Gets a pool, which its README recommends over a connection string. */
export default withExpressSession({ postgres: "express-session, connect-pg-simple" }, async (_, connectionString) => {
  const Store = connectPgSimple(expressSession);
  const pool = new pg.Pool({ connectionString });
  const store = new Store({ pool, createTableIfMissing: true, ttl: IDLE_SECONDS });
  // The first query creates the table. Concurrent first queries would all try to.
  await new Promise<void>((resolve, reject) => {
    store.query("SELECT 1", [], (error) => (error ? reject(error) : resolve()));
  });
  return store;
});
