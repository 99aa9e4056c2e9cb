// Astro's own sessions.
import type { APIContext, MiddlewareHandler } from "astro";
import type { AsyncActions } from "../../../../contender.ts";
import { tenKeys } from "../../../../session-data.ts";

export const onRequest: MiddlewareHandler = (_context, next) => next();

export const actions: AsyncActions<APIContext> = {
  read: async ({ session }) => (await session!.get("user"))!,
  async change({ session }) {
    const views = ((await session!.get("views")) ?? 0) + 1;
    session!.set("views", views);
    return views;
  },
  fill({ session }) {
    for (const [key, value] of Object.entries(tenKeys())) session!.set(key, value);
  },
  set: ({ session }, slot) => session!.set(slot, 1),
  async all({ session }) {
    const all: Record<string, unknown> = {};
    for (const key of await session!.keys()) all[key] = await session!.get(key);
    return all;
  },
};
