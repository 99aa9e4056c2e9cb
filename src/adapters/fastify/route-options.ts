// What the configuration of a route of Fastify says of its sessions.

import type { FastifyRequest } from "fastify";
import type { RouteMode } from "../options.ts";

/** The mode of the route, and none where there is no route. */
export function routeMode(request: FastifyRequest): RouteMode | undefined {
  const { session } = request.routeOptions.config;
  const mode = typeof session === "object" ? session.mode : session;
  return mode ?? (request.is404 ? "none" : undefined);
}

/** False: the requests of the route do not extend the session's life. */
export function routeExtend(request: FastifyRequest): boolean | undefined {
  const { session } = request.routeOptions.config;
  return typeof session === "object" ? session.extend : undefined;
}
