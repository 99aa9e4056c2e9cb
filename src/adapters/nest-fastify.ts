// What NestJS writes to Node's own response past Fastify, as the events of `@Sse()`: the session is committed before it, too.

import type { ServerResponse } from "node:http";
import type { FastifyInstance } from "fastify";
import type { Sessions } from "../index.ts";
import { commitBeforeHeaders, releaseResponse } from "./held-response.ts";
import { isWorthRetrying, statusOf, textOf } from "./options.ts";

/** Adds the hooks for sessions whose plugin is registered. */
export function commitBeforeRawHeaders(
  fastify: Pick<FastifyInstance, "addHook">,
  sessions: Sessions<object>,
  { property = "session", saveFailed = false }: { property?: string; saveFailed?: boolean },
): void {
  fastify.addHook("onRequest", (request, { raw }, done) => {
    const session = (request as unknown as Record<string, unknown>)[property];
    const fail = (error: unknown) => respond(raw, error);
    if (sessions.owns(session)) commitBeforeHeaders(raw, request, property, session, saveFailed, fail);
    done();
  });
  // What Fastify sends passes here: the plugin has committed before.
  fastify.addHook("onSend", (_request, { raw }, payload, done) => {
    releaseResponse(raw);
    done(null, payload);
  });
}

function respond(res: ServerResponse, error: unknown): void {
  const status = statusOf(error);
  res.statusCode = status;
  res.setHeader("Content-Type", "text/plain; charset=utf-8");
  if (isWorthRetrying(status)) res.setHeader("Retry-After", "1");
  res.end(textOf(status));
}
