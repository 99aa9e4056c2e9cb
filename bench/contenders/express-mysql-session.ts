// The contender: express-session with express-mysql-session.
import { createRequire } from "node:module";
import { IDLE_SECONDS } from "../contender.ts";
import { expressSession, withExpressSession } from "./with-express-session.ts";

const mysqlSession = createRequire(import.meta.url)("express-mysql-session") as (
  session: unknown,
) => new (
  options: object,
) => { onReady(): Promise<void> };

/** Uses the pool that it creates itself. */
export default withExpressSession({ mysql: "express-session, express-mysql-session" }, async (_, url) => {
  const { hostname: host, port, username: user, pathname } = new URL(url);
  const Store = mysqlSession(expressSession);
  const store = new Store({
    host,
    port: Number(port),
    user,
    database: pathname.slice(1),
    expiration: IDLE_SECONDS * 1000,
  });
  await store.onReady();
  return store;
});
