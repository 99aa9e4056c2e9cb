// Commits the sessions of Elysia's requests.

import { ElysiaCustomStatusResponse, StatusMap } from "elysia";
import type { AdapterSession } from "../../index.ts";
import { commitFailed, commitResponse } from "../commit-response.ts";
import { ownError, respondToError } from "../error-response.ts";
import { preparedError, type ResponseSettings } from "./prepared-error.ts";

/** A session that is open for a request. */
export interface Opened {
  readonly session: AdapterSession;
  readonly property: string;
  readonly saveFailed: boolean;
}

/** What is used of a context. Elysia looks into a function's text, and parses bodies for those that may use them. */
interface UsedContext {
  request: Request;
  set: ResponseSettings;
  response?: unknown;
  responseValue: unknown;
  error?: unknown;
}

/** The sessions of the requests that run. */
export const openSessions = new WeakMap<Request, Opened[]>();

/** Around everything that Elysia does for a request: commits what is open at its end. */
export function withSessions(handle: (request: Request) => Response | Promise<Response>) {
  return async (request: Request): Promise<Response> => {
    if (openSessions.has(request)) return handle(request);
    const opened: Opened[] = [];
    openSessions.set(request, opened);
    try {
      let response = await handle(request);
      // Bun upgrades to a WebSocket without one.
      const hasResponse = response !== undefined;
      for (const { session, saveFailed } of opened) {
        if (hasResponse) response = await commitResponse(session, { saveFailed }, () => response, respond);
        else await session.commit();
      }
      return response;
    } catch (error) {
      for (const { session, saveFailed } of opened) await commitFailed(session, saveFailed);
      throw error;
    } finally {
      openSessions.delete(request);
    }
  };
}

function respond(error: unknown): Response {
  return respondToError(ownError(error));
}

/** Commits where Elysia still handles errors. What remains is committed when the response is there. */
export async function commitSessions(context: UsedContext): Promise<void> {
  const { request, set, responseValue, error } = context;
  // A generator runs until its first value before the response begins.
  const isGenerator = typeof (responseValue as Iterator<unknown> | null)?.next === "function";
  if (error !== undefined || isGenerator || statusOfValue(responseValue, set.status) >= 500) return;
  try {
    for (const { session } of openSessions.get(request) ?? []) await session.commit();
  } catch (error) {
    // With a response, Elysia shows all that is in the error.
    context.response = undefined;
    throw preparedError(error, set);
  }
}

function statusOfValue(value: unknown, status: number | string = 200): number {
  if (value instanceof Response) return value.status;
  if (value instanceof ElysiaCustomStatusResponse) return Number(value.code);
  return typeof status === "number" ? status : StatusMap[status as keyof StatusMap];
}
