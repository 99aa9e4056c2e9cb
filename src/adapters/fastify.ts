// The adapter for Fastify 4 and 5.

import type { FastifyPluginCallback, FastifyRequest } from "fastify";
import type { AdapterSession, Session, SessionData, Sessions, SessionsOptions } from "../index.ts";
import { type CsrfCheckOptions, csrfCheck } from "./csrf.ts";
import { versionError } from "./fastify/check-version.ts";
import { commitReply } from "./fastify/commit-reply.ts";
import { giveSession } from "./fastify/give-session.ts";
import { forInstance } from "./fastify/plugin.ts";
import { fieldsOf, register, registrationOf } from "./fastify/registration.ts";
import { routeExtend, routeMode } from "./fastify/route-options.ts";
import { checkAdapterOptions, PROPERTY_NAMES, type PropertyOptions, type RouteMode, sessionsFrom } from "./options.ts";
import { foreignSessionError } from "./property-errors.ts";

declare module "fastify" {
  interface FastifyRequest extends WithSession<FastifyRequest> {}
  interface FastifyContextConfig {
    /**
     * How this route uses the session, and whether its requests extend the session's life. Default: the `mode` of the
     * sessions, and true.
     */
    session?: RouteMode | { mode?: RouteMode; extend?: boolean };
  }
}

/** What the types of @fastify/session and of @fastify/secure-session add to a request. */
type HasOtherSession = { sessionStore: unknown } | { server: { createSecureSession: unknown } };

/** A request with a session. Inherited, so that a session of other types may stand beside it: theirs holds then. */
interface WithSession<Request> {
  /** This user's session. Undefined if the mode is `"none"`, and for requests without a route. */
  session: Request extends HasOtherSession ? unknown : Session<SessionData>;
}

export interface FastifyOptions extends PropertyOptions<FastifyRequest> {}

/**
 * Sessions for Fastify 4 and 5: `app.register(session(sessions))`.
 * A route sets its mode in its config: `app.get("/health", { config: { session: "none" } }, …)`, and so it does not extend
 * the session: `{ config: { session: { extend: false } } }`. A plugin that registers
 * the sessions again gives its own routes another mode.
 * Errors of the session go to the application's error handler, with a `status` (503 if the store is down). An answer 503
 * shows none of the store's own words: they are in the error's `cause`.
 *
 * @throws OptionError if options are given and one is wrong.
 */
export function session<Data extends object = SessionData>(
  sessionsOrOptions?: Sessions<Data> | SessionsOptions<Data>,
  options: FastifyOptions = {},
): FastifyPluginCallback {
  checkAdapterOptions(options, PROPERTY_NAMES);
  const sessions = sessionsFrom(sessionsOrOptions);
  const { property = "session", saveFailed = false, mode = routeMode, extend = routeExtend } = options;
  const routeOptions = { ...options, mode, extend };

  return forInstance("coatcheck", (fastify, _options, done) => {
    const found = registrationOf(fastify, property);
    const isTaken = found?.sessions !== sessions && (found !== undefined || fastify.hasRequestDecorator(property));
    const refused = versionError(fastify.version) ?? (isTaken && foreignSessionError(property, found?.sessions));
    if (refused) {
      done(refused);
      return;
    }
    const registration = found ?? register(fastify, property, sessions);
    fastify.addHook("onRequest", (request, _reply, done) =>
      giveSession(sessions, routeOptions, property, registration.opened, request, done),
    );
    // The last hook before the headers are sent, for streams too, so the last chance to set a cookie.
    if (found === undefined) {
      fastify.addHook("onSend", (request, reply, payload, done) => {
        const opened = fieldsOf(request)[registration.opened] as AdapterSession | undefined;
        const commit = opened && commitReply(request, reply, property, opened, saveFailed);
        if (commit === undefined) done(null, payload);
        else commit.then(() => done(null, payload), done);
      });
    }
    done();
  });
}

/**
 * Refuses requests that a page of another site may have sent in the user's name (403): see
 * `session.checkCsrf`. Bodies are parsed before it.
 * For the instance that registers it and those below: `app.register(csrf())`.
 *
 * @throws OptionError if an option is wrong.
 */
export function csrf(options: CsrfCheckOptions = {}): FastifyPluginCallback {
  const check = csrfCheck(options);
  return forInstance("coatcheck-csrf", (fastify, _options, done) => {
    fastify.addHook("preHandler", (request, _reply, next) => {
      try {
        if (!request.is404) check(request.method, request, request as { body: unknown; query: unknown });
      } catch (error) {
        next(error as Error);
        return;
      }
      next();
    });
    done();
  });
}
