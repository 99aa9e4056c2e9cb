import type { Contender } from "../contender.ts";
import bareExpress from "./bare-express.ts";
import bareFastify from "./bare-fastify.ts";
import bareNode from "./bare-node.ts";
import coatcheckExpress from "./coatcheck-express.ts";
import coatcheckFastify from "./coatcheck-fastify.ts";
import coatcheckNode from "./coatcheck-node.ts";
import connectPgSimple from "./connect-pg-simple.ts";
import connectRedis from "./connect-redis.ts";
import connectSessionKnex from "./connect-session-knex.ts";
import expressMysqlSession from "./express-mysql-session.ts";
import expressSession from "./express-session.ts";
import fastifySession from "./fastify-session.ts";
import ironSession from "./iron-session.ts";
import leastPossible from "./least-possible.ts";
import memorystore from "./memorystore.ts";
import secureSession from "./secure-session.ts";

/** By the name of their file, in the order of a round: what is compared stands side by side. */
export const contenders: Readonly<Record<string, Contender>> = {
  "bare-node": bareNode,
  "coatcheck-node": coatcheckNode,
  "least-possible": leastPossible,
  "iron-session": ironSession,
  "bare-fastify": bareFastify,
  "coatcheck-fastify": coatcheckFastify,
  "fastify-session": fastifySession,
  "secure-session": secureSession,
  "bare-express": bareExpress,
  "coatcheck-express": coatcheckExpress,
  "express-session": expressSession,
  memorystore,
  "connect-redis": connectRedis,
  "connect-pg-simple": connectPgSimple,
  "express-mysql-session": expressMysqlSession,
  "connect-session-knex": connectSessionKnex,
};
