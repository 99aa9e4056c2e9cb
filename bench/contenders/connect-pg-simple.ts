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

/** With a pool of its own size, which its README recommends over a connection string. */
export default withExpressSession({ postgres: "express-session, connect-pg-simple" }, async (_, connectionString) => {
  const Store = connectPgSimple(expressSession);
  const pool = new pg.Pool({ connectionString });
  const store = new Store({ pool, createTableIfMissing: true, ttl: IDLE_SECONDS });
  // Its first query makes the table, which many queries at once would all try.
  await new Promise<void>((resolve, reject) => {
    store.query("SELECT 1", [], (error) => (error ? reject(error) : resolve()));
  });
  return store;
});
