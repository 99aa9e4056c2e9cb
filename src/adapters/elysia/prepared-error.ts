// Errors of sessions as Elysia shows them.

import { describesBody } from "../body-headers.ts";
import { isCoatcheckError, shownError, statusOf } from "../error-response.ts";

/** What a context says of the response that Elysia makes. */
export interface ResponseSettings {
  status?: number | string;
  headers: Record<string, unknown>;
}

/** The error for Elysia, which shows its message. The response loses what was set for the body that is not sent. */
export function preparedError(error: unknown, set: ResponseSettings): unknown {
  for (const [name, value] of Object.entries(set.headers)) if (describesBody(name, value)) delete set.headers[name];
  set.status = statusOf(error);
  if (isCoatcheckError(error)) Object.assign(set.headers, error.headers);
  return shownError(error);
}
