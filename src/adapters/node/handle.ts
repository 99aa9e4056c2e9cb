// Runs a handler of node:http, and responds where it fails.

import type { IncomingMessage, ServerResponse } from "node:http";
import { sendError, statusOf } from "../error-response.ts";
import { clearForError } from "../held-response.ts";

/** Responds to a request that has failed. */
export type ErrorResponder = (error: unknown, req: IncomingMessage, res: ServerResponse) => void;

/** Runs a handler. A promise that it returns is awaited for its error only. */
export function handle<Request extends IncomingMessage>(
  handler: (req: Request, res: ServerResponse) => unknown,
  req: Request,
  res: ServerResponse,
  onError: ErrorResponder,
): void {
  try {
    const handling = handler(req, res);
    if (isThenable(handling)) respondIfRejected(handling, onError, req, res);
  } catch (error) {
    respondBy(onError, error, req, res);
  }
}

function respondIfRejected(
  handling: PromiseLike<unknown>,
  onError: ErrorResponder,
  req: IncomingMessage,
  res: ServerResponse,
): void {
  handling.then(undefined, (error) => respondBy(onError, error, req, res));
}

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

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === "function";
}
