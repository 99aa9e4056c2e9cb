// The response to an error: its status, and a text that names nothing of the server.

import type { ServerResponse } from "node:http";
import { CoatcheckError } from "../index.ts";

/** True for an error of coatcheck, also for one of another copy: frameworks put a copy of it into each of their bundles. */
export function isCoatcheckError(error: unknown): error is CoatcheckError {
  return error instanceof Error && String((error as Partial<CoatcheckError>).code).startsWith("COATCHECK_");
}

/** The error itself, for what answers errors of coatcheck. @throws any other error */
export function ownError(error: unknown): CoatcheckError {
  if (isCoatcheckError(error)) return error;
  throw error;
}

/** Opens or commits a session, and throws its errors in the form that the framework shows. */
export async function withErrorsAs<T>(shown: (error: unknown) => unknown, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw shown(error);
  }
}

/** The status of the response to an error, for frameworks without an error handler. */
export function statusOf(error: unknown): number {
  const status = (error as { status?: unknown } | null)?.status;
  return typeof status === "number" && status >= 400 && status < 600 ? status : 500;
}

/** True for an error that is thrown as an answer, with a status below 500, as frameworks do for 404. */
export function isAnswer(error: unknown): boolean {
  const status = (error as { status?: unknown } | null | undefined)?.status;
  return typeof status === "number" && status >= 100 && status < 500;
}

/**
 * For frameworks that show an error's message to every client. The store's own words, with addresses and users' names,
 * are for the log. The error is of the same class, and has the same code and status; the original is its cause.
 */
export function shownError(error: unknown): Error {
  if (!(error instanceof CoatcheckError) || error.status !== 503) return error as Error;
  const { code, name, status } = error;
  const shown = new CoatcheckError(code, textOf(status).trim(), { status, cause: error });
  shown.name = name;
  return Object.setPrototypeOf(shown, Object.getPrototypeOf(error));
}

/** True if a retry may succeed: the store may be up again soon, or the session free. */
export function isWorthRetrying(status: number): boolean {
  return status === 503 || status === 429;
}

/** The names of the statuses that coatcheck's errors have. Not from node:http, which not every runtime has. */
const STATUS_NAMES: Readonly<Record<number, string>> = {
  401: "Unauthorized",
  403: "Forbidden",
  429: "Too Many Requests",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

/** The text of the response to an error. It names nothing of the server: the error's own message may. */
export function textOf(status: number): string {
  const name = STATUS_NAMES[status] ?? STATUS_NAMES[500];
  return isWorthRetrying(status) ? `${name}: try again in a moment.\n` : `${name}\n`;
}

/** The response to a session's error: its status (503 if the store is down), and nothing of the server. */
export function respondToError(error: CoatcheckError): Response {
  const status = statusOf(error);
  if (status === 500) console.error(error);
  return new Response(textOf(status), { status, headers: isWorthRetrying(status) ? { "Retry-After": "1" } : {} });
}

/** Sends the same as the response of Node. */
export function sendError(res: ServerResponse, status: number): void {
  res.statusCode = status;
  res.setHeader("Content-Type", "text/plain; charset=utf-8");
  if (isWorthRetrying(status)) res.setHeader("Retry-After", "1");
  res.end(textOf(status));
}
