// What NestJS writes to Node's own response past Fastify, as the events of `@Sse()`: the session is committed before it, too.

import type { FastifyInstance } from "fastify";
import type { Sessions } from "../../index.ts";
import { sendError, statusOf } from "../error-response.ts";
import { commitBeforeHeaders, releaseResponse } from "../held-response.ts";

/** Adds the hooks for sessions whose plugin is registered. */
export function commitBeforeRawHeaders(
  fastify: Pick<FastifyInstance, "addHook">,
  sessions: Sessions<object>,
  { property = "session", saveFailed = false }: { property?: string; saveFailed?: boolean },
): void {
  fastify.addHook("onRequest", (request, { raw }, done) => {
    const session = (request as unknown as Record<string, unknown>)[property];
    const fail = (error: unknown) => sendError(raw, statusOf(error));
    if (sessions.owns(session)) commitBeforeHeaders(raw, request, property, session, saveFailed, fail);
    done();
  });
  // What Fastify sends passes here: the plugin has committed before.
  fastify.addHook("onSend", (_request, { raw }, payload, done) => {
    releaseResponse(raw);
    done(null, payload);
  });
}
