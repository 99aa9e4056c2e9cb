// Errors of sessions as Hono shows them.

import { HTTPException } from "hono/http-exception";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { isCoatcheckError, respondToError, textOf } from "../error-response.ts";

/** Hono gives 500 for any error but its own, and prints it: that is right for a mistake of the application. */
export function exceptionOf(error: unknown): unknown {
  if (!isCoatcheckError(error) || error.status === 500) return error;
  const status = error.status as ContentfulStatusCode;
  return new HTTPException(status, { res: respondToError(error), message: textOf(status).trim(), cause: error });
}
