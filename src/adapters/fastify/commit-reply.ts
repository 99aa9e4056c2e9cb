// Commits a session before Fastify sends the reply.

import type { FastifyReply, FastifyRequest } from "fastify";
import type { AdapterSession } from "../../index.ts";
import { describesBody } from "../body-headers.ts";
import { shownError } from "../error-response.ts";
import { replacedSessionError } from "../property-errors.ts";
import { setSessionHeaders } from "../session-headers.ts";
import { fieldsOf } from "./registration.ts";

/** Commits the session of a request, and sets its headers in the reply. Undefined: nothing has to be waited for. */
export function commitReply(
  request: FastifyRequest,
  reply: FastifyReply,
  property: string,
  session: AdapterSession,
  saveFailed: boolean,
): Promise<void> | undefined {
  const cookies = commit(request, reply, property, session, saveFailed);
  if (!Array.isArray(cookies)) return finishCommit(reply, session, cookies);
  setHeaders(reply, session, cookies);
  return undefined;
}

async function finishCommit(
  reply: FastifyReply,
  session: AdapterSession,
  committing: Promise<string[]>,
): Promise<void> {
  let cookies: string[];
  try {
    cookies = await committing;
  } catch (error) {
    // The headers of the body that is not sent must not stay in the error's response.
    for (const [name, value] of Object.entries(reply.getHeaders())) {
      if (describesBody(name, value)) reply.removeHeader(name);
    }
    throw shownError(error);
  }
  setHeaders(reply, session, cookies);
}

function commit(
  request: FastifyRequest,
  reply: FastifyReply,
  property: string,
  session: AdapterSession,
  saveFailed: boolean,
): string[] | Promise<string[]> {
  const fields = fieldsOf(request);
  const found = fields[property];
  if (found !== session && found !== undefined) {
    fields[property] = session; // the answer to the error passes here, too
    session.discard();
    return Promise.resolve(session.commit()).then(() => Promise.reject(replacedSessionError("request", property)));
  }
  if (reply.statusCode >= 500 && !saveFailed) session.discard();
  return session.commit();
}

function setHeaders(reply: FastifyReply, session: AdapterSession, cookies: string[]): void {
  if (session.watchesLateChanges) reply.raw.once("close", () => session.reportLateChanges());
  const setHeader = (name: string, value: string | string[]) => reply.header(name, value);
  // `reply.header` adds cookies to those that are set.
  const appendHeader = setHeader;
  setSessionHeaders({ getHeader: (name) => reply.getHeader(name), setHeader, appendHeader }, cookies, session);
}
