// The adapter for Fastify 4 and 5.

import type { FastifyInstance, FastifyPluginCallback, FastifyReply, FastifyRequest } from "fastify";
import {
  type AdapterSession,
  CoatcheckError,
  type Session,
  type SessionData,
  type Sessions,
  type SessionsOptions,
} from "../index.ts";
import { isOlder } from "../util/versions.ts";
import { type CsrfCheckOptions, csrfCheck } from "./csrf.ts";
import {
  changeModeThen,
  checkAdapterOptions,
  foreignSessionError,
  type LateChanges,
  modeOf,
  openOptions,
  openThen,
  PROPERTY_NAMES,
  type PropertyOptions,
  type RouteMode,
  replacedSessionError,
  sessionsFrom,
  shownError,
} from "./options.ts";
import { describesBody, type SessionUse, setSessionHeaders } from "./session-headers.ts";

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

/** What an instance and those below it have under a property of their requests. */
interface Registration {
  readonly sessions: object;
  /** Under which a request keeps the session that was opened for it. */
  readonly opened: symbol;
}

const registrations = new WeakMap<object, Map<string, Registration>>();

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

  function coatcheck(fastify: FastifyInstance, _options: unknown, done: (error?: Error) => void): void {
    if (isOlder(fastify.version, OLDEST)) {
      done(tooOld(fastify.version));
      return;
    }
    const found = registrationOf(fastify, property);
    if (found?.sessions === sessions) {
      fastify.addHook("onRequest", (request, _reply, done) => useSession(request, found, done));
      done();
      return;
    }
    if (found !== undefined || fastify.hasRequestDecorator(property)) {
      done(foreignSessionError(property, found?.sessions));
      return;
    }
    const registration: Registration = { sessions, opened: Symbol("coatcheck.opened") };
    const byProperty = registrations.get(fastify) ?? new Map<string, Registration>();
    registrations.set(fastify, byProperty.set(property, registration));
    fastify.decorateRequest(property, undefined as never);
    fastify.decorateRequest(registration.opened, undefined as never);
    fastify.addHook("onRequest", (request, _reply, done) => useSession(request, registration, done));
    // The last hook before the headers are sent, for streams too, so the last chance to set a cookie.
    fastify.addHook("onSend", (request, reply, payload, done) => {
      const opened = fieldsOf(request)[registration.opened] as AdapterSession<Data> | undefined;
      if (opened === undefined) {
        done(null, payload);
        return;
      }
      const cookies = commit(request, reply, opened);
      if (Array.isArray(cookies)) {
        setHeaders(reply, opened, cookies);
        done(null, payload);
        return;
      }
      cookies.then(
        (cookies) => {
          setHeaders(reply, opened, cookies);
          done(null, payload);
        },
        (error) => {
          // The headers of the body that is not sent must not stay in the error's response.
          for (const [name, value] of Object.entries(reply.getHeaders())) {
            if (describesBody(name, value)) reply.removeHeader(name);
          }
          done(shownError(error));
        },
      );
    });
    done();
  }

  function useSession(request: FastifyRequest, { opened }: Registration, done: (error?: Error) => void): void {
    const mode = modeOf(routeOptions, request);
    const fields = fieldsOf(request);
    const found = fields[property];
    if (found !== undefined && found !== null) {
      if (!sessions.owns(found)) {
        done(foreignSessionError(property, found));
        return;
      }
      changeModeThen(found, mode, (error) => {
        if (error === undefined && mode === "none") fields[property] = undefined;
        done(error === undefined ? undefined : shownError(error));
      });
      return;
    }
    if (mode === "none") {
      done();
      return;
    }
    const start = (session: AdapterSession<Data>) => {
      fields[property] = session;
      fields[opened] = session;
      done();
    };
    openThen(sessions, request.raw, openOptions(routeOptions, request, mode, isHttps(request)), start, (error) =>
      done(shownError(error)),
    );
  }

  function commit(
    request: FastifyRequest,
    reply: FastifyReply,
    opened: AdapterSession<Data>,
  ): string[] | Promise<string[]> {
    const fields = fieldsOf(request);
    const found = fields[property];
    if (found !== opened && found !== undefined) {
      fields[property] = opened; // the answer to the error passes here, too
      opened.discard();
      return Promise.resolve(opened.commit()).then(() => Promise.reject(replacedSessionError("request", property)));
    }
    if (reply.statusCode >= 500 && !saveFailed) opened.discard();
    return opened.commit();
  }

  // The same as the package fastify-plugin does: the hooks apply to the whole application, and not to this plugin only.
  return Object.assign(coatcheck, {
    [Symbol.for("skip-override")]: true,
    [Symbol.for("fastify.display-name")]: "coatcheck",
  });
}

function routeMode(request: FastifyRequest): RouteMode | undefined {
  const { session } = request.routeOptions.config;
  const mode = typeof session === "object" ? session.mode : session;
  return mode ?? (request.is404 ? "none" : undefined);
}

function routeExtend(request: FastifyRequest): boolean | undefined {
  const { session } = request.routeOptions.config;
  return typeof session === "object" ? session.extend : undefined;
}

/** Instances inherit from the one in which their plugin is registered. */
function registrationOf(fastify: object, property: string): Registration | undefined {
  for (let instance: object | null = fastify; instance !== null; instance = Object.getPrototypeOf(instance)) {
    const registration = registrations.get(instance)?.get(property);
    if (registration !== undefined) return registration;
  }
  return undefined;
}

function fieldsOf(request: FastifyRequest): Record<string | symbol, unknown> {
  return request as unknown as Record<string | symbol, unknown>;
}

/** How the browser's request came, as Fastify says it where it is told which proxies to trust. Only then `ips` is there. */
function isHttps(request: FastifyRequest): boolean | undefined {
  return request.ips === undefined ? undefined : request.protocol === "https";
}

function setHeaders(reply: FastifyReply, session: LateChanges & SessionUse, cookies: string[]): void {
  if (session.watchesLateChanges) reply.raw.once("close", () => session.reportLateChanges());
  const setHeader = (name: string, value: string | string[]) => reply.header(name, value);
  // `reply.header` adds cookies to those that are set.
  const appendHeader = setHeader;
  setSessionHeaders({ getHeader: (name) => reply.getHeader(name), setHeader, appendHeader }, cookies, session);
}

/** The first version with `request.routeOptions`. */
const OLDEST = "4.10";

function tooOld(version: string): CoatcheckError {
  return new CoatcheckError(
    "COATCHECK_PEER",
    `coatcheck: this adapter needs version ${OLDEST} or later of the package "fastify", but version ${version} is installed: npm install fastify@latest`,
  );
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
  const plugin: FastifyPluginCallback = (fastify, _options, done) => {
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
  };
  return Object.assign(plugin, {
    [Symbol.for("skip-override")]: true,
    [Symbol.for("fastify.display-name")]: "coatcheck-csrf",
  });
}
