// Astro without sessions.
import type { MiddlewareHandler } from "astro";

export const onRequest: MiddlewareHandler = (_context, next) => next();
export { withoutSession as actions } from "../../../../contenders/without-session.ts";
