// The contender: express-session with connect-redis.
import { RedisStore } from "connect-redis";
import { createClient } from "redis";
import { IDLE_SECONDS } from "../contender.ts";
import { withExpressSession } from "./with-express-session.ts";

/** Uses node-redis, as its README shows. `ttl` ends an unused session. */
export default withExpressSession({ redis: "express-session, connect-redis" }, async (_, url) => {
  return new RedisStore({ client: await createClient({ url }).connect(), ttl: IDLE_SECONDS });
});
