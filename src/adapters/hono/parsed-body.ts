// The body of a request of Hono, for the check of a token in it.

import type { Context } from "hono";

/** Undefined: the body is neither a form nor JSON. */
export async function parsedBody({ req }: Context): Promise<unknown> {
  const type = req.header("content-type") ?? "";
  if (/^application\/json\b/i.test(type)) return req.json().catch(() => undefined);
  return /^(multipart\/form-data|application\/x-www-form-urlencoded)\b/i.test(type) ? req.parseBody() : undefined;
}
