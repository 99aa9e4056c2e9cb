// The module of the worker that runs the program on workerd.

import { SessionObject } from "../../../src/stores/durable-object/index.ts";
import { answer } from "./app.ts";
import type { Environment } from "./parts.ts";

export { SessionObject };

/** Objects of a class of their own: shards and single sessions must not meet under one name. */
export class ShardObject extends SessionObject {}

export default {
  fetch: (request: Request, env: Environment): Promise<Response> => answer(request, env),
};
