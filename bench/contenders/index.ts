// All contenders.
import type { Contender } from "../contender.ts";
import astroSession from "./astro-session.ts";
import bareAstro from "./bare-astro.ts";
import bareExpress from "./bare-express.ts";
import bareFastify from "./bare-fastify.ts";
import bareH3 from "./bare-h3.ts";
import bareHono from "./bare-hono.ts";
import bareKoa from "./bare-koa.ts";
import bareNext from "./bare-next.ts";
import bareNode from "./bare-node.ts";
import coatcheckAstro from "./coatcheck-astro.ts";
import coatcheckExpress from "./coatcheck-express.ts";
import coatcheckExpressSession from "./coatcheck-express-session.ts";
import coatcheckFastify from "./coatcheck-fastify.ts";
import coatcheckFastifyXchacha from "./coatcheck-fastify-xchacha.ts";
import coatcheckH3 from "./coatcheck-h3.ts";
import coatcheckHono from "./coatcheck-hono.ts";
import coatcheckKoa from "./coatcheck-koa.ts";
import coatcheckNext from "./coatcheck-next.ts";
import coatcheckNode from "./coatcheck-node.ts";
import coatcheckNodeContext from "./coatcheck-node-context.ts";
import coatcheckNodeOpentelemetry from "./coatcheck-node-opentelemetry.ts";
import coatcheckNodePrometheus from "./coatcheck-node-prometheus.ts";
import coatcheckNodeSlowSpans from "./coatcheck-node-slow-spans.ts";
import coatcheckNodeUnsampled from "./coatcheck-node-unsampled.ts";
import coatcheckNodeXchacha from "./coatcheck-node-xchacha.ts";
import connectPgSimple from "./connect-pg-simple.ts";
import connectRedis from "./connect-redis.ts";
import connectSessionKnex from "./connect-session-knex.ts";
import expressMysqlSession from "./express-mysql-session.ts";
import expressSession from "./express-session.ts";
import expressSessionDropIn from "./express-session-drop-in.ts";
import fastifySession from "./fastify-session.ts";
import h3Session from "./h3-session.ts";
import honoSession from "./hono-session.ts";
import honoSessions from "./hono-sessions.ts";
import ironSession from "./iron-session.ts";
import ironSessionNext from "./iron-session-next.ts";
import koaSession from "./koa-session.ts";
import leastPossible from "./least-possible.ts";
import memorystore from "./memorystore.ts";
import secureSession from "./secure-session.ts";

/** By file name, in the order of a round: contenders that are compared with each other are neighbours. */
export const contenders: Readonly<Record<string, Contender>> = {
  "bare-node": bareNode,
  "coatcheck-node": coatcheckNode,
  "coatcheck-node-xchacha": coatcheckNodeXchacha,
  "coatcheck-node-prometheus": coatcheckNodePrometheus,
  "coatcheck-node-context": coatcheckNodeContext,
  "coatcheck-node-opentelemetry": coatcheckNodeOpentelemetry,
  "coatcheck-node-slow-spans": coatcheckNodeSlowSpans,
  "coatcheck-node-unsampled": coatcheckNodeUnsampled,
  "least-possible": leastPossible,
  "iron-session": ironSession,
  "bare-fastify": bareFastify,
  "coatcheck-fastify": coatcheckFastify,
  "coatcheck-fastify-xchacha": coatcheckFastifyXchacha,
  "fastify-session": fastifySession,
  "secure-session": secureSession,
  "bare-express": bareExpress,
  "coatcheck-express": coatcheckExpress,
  "express-session": expressSession,
  "express-session-drop-in": expressSessionDropIn,
  "coatcheck-express-session": coatcheckExpressSession,
  memorystore,
  "connect-redis": connectRedis,
  "connect-pg-simple": connectPgSimple,
  "express-mysql-session": expressMysqlSession,
  "connect-session-knex": connectSessionKnex,
  "bare-koa": bareKoa,
  "coatcheck-koa": coatcheckKoa,
  "koa-session": koaSession,
  "bare-hono": bareHono,
  "coatcheck-hono": coatcheckHono,
  "hono-sessions": honoSessions,
  "hono-session": honoSession,
  "bare-h3": bareH3,
  "coatcheck-h3": coatcheckH3,
  "h3-session": h3Session,
  "bare-astro": bareAstro,
  "coatcheck-astro": coatcheckAstro,
  "astro-session": astroSession,
  "bare-next": bareNext,
  "coatcheck-next": coatcheckNext,
  "iron-session-next": ironSessionNext,
};
