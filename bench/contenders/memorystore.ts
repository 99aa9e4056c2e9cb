// The contender: express-session with memorystore.
import { createRequire } from "node:module";
import { IDLE_SECONDS } from "../contender.ts";
import { expressSession, withExpressSession } from "./with-express-session.ts";

const memorystore = createRequire(import.meta.url)("memorystore") as (
  session: unknown,
) => new (
  options: object,
) => unknown;

/** Removes expired sessions, unlike MemoryStore: once a day, as its README shows. */
export default withExpressSession({ memory: "express-session, memorystore" }, () => {
  const Store = memorystore(expressSession);
  return new Store({ ttl: IDLE_SECONDS * 1000, checkPeriod: 86_400_000 });
});
