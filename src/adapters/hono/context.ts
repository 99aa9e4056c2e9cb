// What is used of a context of Hono: its variables, and the response that it has.

import type { Context } from "hono";

/** The variables of a context, by any name. */
export interface Variables {
  get(name: string): unknown;
  set(name: string, value: unknown): void;
}

/** Hono takes the headers of the response before, unless there is none. */
export function replaceResponse(c: Context, response: Response): void {
  c.res = undefined;
  c.res = response;
}
