import type { FastifyInstance, FastifyPluginCallback, FastifyReply, FastifyRequest } from "fastify";
import type { Session, SessionData, Sessions, SessionsOptions } from "../index.ts";
import { type AdapterOptions, openOptions, openThen, type RouteMode, sessionsFrom } from "./options.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** This user's session. There is none where the mode is `"none"`, and for requests that no route takes. */
    session: Session<SessionData>;
  }
  interface FastifyContextConfig {
    /** How this route uses the session. */
    session?: RouteMode;
  }
}

export interface FastifyOptions extends AdapterOptions<FastifyRequest> {}

/**
 * Sessions for Fastify 4 and 5: `app.register(session(sessions))`.
 * A route's own mode stands in its config: `app.get("/health", { config: { session: "none" } }, …)`.
 * Errors of the session go to the application's error handler, with a `status` (503 when the store is down).
 *
 * @throws OptionError if options are given and one is wrong.
 */
export function session<Data extends object = SessionData>(
  sessionsOrOptions?: Sessions<Data> | SessionsOptions<Data>,
  options: FastifyOptions = {},
): FastifyPluginCallback {
  const sessions = sessionsFrom(sessionsOrOptions);
  const { saveFailed = false, mode = routeMode } = options;
  const routeOptions = { ...options, mode };

  function coatcheck(fastify: FastifyInstance, _options: unknown, done: () => void): void {
    fastify.decorateRequest("session", undefined as never);

    fastify.addHook("onRequest", (request, _reply, done) => {
      const chosen = openOptions(routeOptions, request);
      if (chosen === undefined) {
        done();
        return;
      }
      const start = (opened: Session<Data>) => {
        request.session = opened as unknown as Session<SessionData>;
        done();
      };
      openThen(sessions, request.raw, chosen, start, done);
    });

    // The payload is ready, the headers are not out: the last moment for a cookie, for streams too.
    fastify.addHook("onSend", (request, reply, payload, done) => {
      const { session } = request;
      if (session === undefined) {
        done(null, payload);
        return;
      }
      if (reply.statusCode >= 500 && !saveFailed) session.discard();
      const cookies = session.commit();
      if (Array.isArray(cookies)) {
        send(reply, cookies);
        done(null, payload);
        return;
      }
      cookies.then(
        (cookies) => {
          send(reply, cookies);
          done(null, payload);
        },
        (error) => {
          // The answer that was not given must not colour the error's.
          for (const name of Object.keys(reply.getHeaders())) reply.removeHeader(name);
          done(error);
        },
      );
    });

    done();
  }

  // What the package fastify-plugin does: the hooks are for the whole application, not for this plugin's own routes.
  return Object.assign(coatcheck, {
    [Symbol.for("skip-override")]: true,
    [Symbol.for("fastify.display-name")]: "coatcheck",
  });
}

function routeMode(request: FastifyRequest): RouteMode | undefined {
  return request.routeOptions.config.session ?? (request.is404 ? "none" : undefined);
}

function send(reply: FastifyReply, cookies: string[]): void {
  if (cookies.length === 0) return;
  reply.header("Set-Cookie", cookies);
  // A cache must not hand one user's ticket to another.
  reply.header("Cache-Control", "no-store");
}
