// Removes credentials from the errors of clients, which are the causes of our own.

import { NOT_SHOWN, redacted } from "./texts.ts";

/** Errors that have no credentials, or none any more. */
const clean = new WeakSet<object>();

/**
 * Removes the credentials that an error of a client quotes, also from what caused it. Node's error for an invalid URL, for
 * example, has the URL as its `input`.
 */
export function withoutCredentials(cause: unknown): unknown {
  if (typeof cause === "string") return redacted(cause);
  if (typeof cause !== "object" || cause === null || clean.has(cause)) return cause;
  clean.add(cause);
  const error = cause as Record<string, unknown>;
  if (error.code === "ERR_INVALID_URL") replace(error, "input", error.input, NOT_SHOWN);
  for (const name of Object.getOwnPropertyNames(error)) {
    const value = error[name];
    if (typeof value === "string")
      replace(error, name, value, name === "stack" ? redactedStack(value) : redacted(value));
    else if (value instanceof Error) withoutCredentials(value);
    else if (name === "errors" && Array.isArray(value)) for (const one of value) withoutCredentials(one);
  }
  return cause;
}

/** The frames name files, whose paths may look like an address: they stay. */
function redactedStack(stack: string): string {
  const [head = "", ...frames] = stack.split(/(?=\n {4}at )/);
  return [redacted(head), ...frames].join("");
}

function replace(error: Record<string, unknown>, name: string, before: unknown, after: string): void {
  if (before === after) return;
  try {
    Object.defineProperty(error, name, { value: after, configurable: true, writable: true });
  } catch {
    // A frozen error stays as it is.
  }
}
