// Responds to a request of node:http that fails.

import type { IncomingMessage, ServerResponse } from "node:http";
import { sendError, statusOf } from "../error-response.ts";
import { clearForError } from "../held-response.ts";

/** Responds to a request that has failed. */
export type ErrorResponder = (error: unknown, req: IncomingMessage, res: ServerResponse) => void;

/** A handler of errors that fails itself must not end the process. */
export function respondBy(onError: ErrorResponder, error: unknown, req: IncomingMessage, res: ServerResponse): void {
  const fail = (another: unknown) => respondToError(another, req, res);
  try {
    const responding: unknown = onError(error, req, res);
    if (isThenable(responding)) responding.then(undefined, fail);
  } catch (another) {
    fail(another);
  }
}

/** Responds with the error's status and its name. An error without a status is printed, and gets 500. */
export function respondToError(error: unknown, _req: IncomingMessage, res: ServerResponse): void {
  const status = statusOf(error);
  if (status === 500) console.error(error);
  if (res.headersSent) {
    res.destroy();
    return;
  }
  clearForError(res);
  sendError(res, status);
}

/** True for a promise of any kind. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === "function";
}
