import type { Contender } from "../contender.ts";
import bareExpress from "./bare-express.ts";
import bareFastify from "./bare-fastify.ts";
import bareNode from "./bare-node.ts";
import coatcheckExpress from "./coatcheck-express.ts";
import coatcheckFastify from "./coatcheck-fastify.ts";
import coatcheckNode from "./coatcheck-node.ts";
import expressSession from "./express-session.ts";
import fastifySession from "./fastify-session.ts";

/** By the name of their file, in the order of a round: what is compared stands side by side. */
export const contenders: Readonly<Record<string, Contender>> = {
  "bare-node": bareNode,
  "coatcheck-node": coatcheckNode,
  "bare-fastify": bareFastify,
  "coatcheck-fastify": coatcheckFastify,
  "fastify-session": fastifySession,
  "bare-express": bareExpress,
  "coatcheck-express": coatcheckExpress,
  "express-session": expressSession,
};
