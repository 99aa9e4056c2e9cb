// The packages whose own tests run against coatcheck.

import { connectPgSimple } from "./connect-pg-simple.ts";
import { connectRedis } from "./connect-redis.ts";
import { expressSession } from "./express-session.ts";
import { fastifySession } from "./fastify-session.ts";
import type { Suite } from "./suite.ts";

export const suites: readonly Suite[] = [expressSession, connectRedis, connectPgSimple, fastifySession];
