// The session of a request of Fastify: opened or shared.

import type { FastifyRequest } from "fastify";
import type { AdapterSession, Sessions } from "../../index.ts";
import { shownError } from "../error-response.ts";
import { changeModeThen, openThen } from "../open-session.ts";
import { type AdapterOptions, modeOf, openOptions } from "../options.ts";
import { foreignSessionError } from "../property-errors.ts";
import { fieldsOf } from "./registration.ts";

/**
 * Gives a request its session, and calls `done`: synchronously, if nothing has to be waited for.
 *
 * @param opened under which the request keeps a session that was opened here.
 */
export function giveSession<Data extends object>(
  sessions: Sessions<Data>,
  options: AdapterOptions<FastifyRequest>,
  property: string,
  opened: symbol,
  request: FastifyRequest,
  done: (error?: Error) => void,
): void {
  const mode = modeOf(options, request);
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
  const fail = (error: Error) => done(shownError(error));
  openThen(sessions, request.raw, openOptions(options, request, mode, isHttps(request)), start, fail);
}

/** How the browser's request came, as Fastify says it where it is told which proxies to trust. Only then `ips` is there. */
function isHttps(request: FastifyRequest): boolean | undefined {
  return request.ips === undefined ? undefined : request.protocol === "https";
}
