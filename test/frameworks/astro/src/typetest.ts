// What the types of an application with the adapter say.

import { sequence } from "astro:middleware";
import type { APIContext, MiddlewareHandler } from "astro";
import { createSessions } from "coatcheck";
import { session } from "coatcheck/astro";

export function keys({ locals }: APIContext): number {
  const { cart, user } = locals.session.data;
  // @ts-expect-error the session has no such key
  locals.session.data.kart = {};
  // @ts-expect-error a count is a number
  locals.session.data.cart.hat = "two";
  locals.session.update("cart", (cart) => ({ ...cart, hat: 1 }));
  return (cart.hat ?? 0) + (user?.length ?? 0);
}

const admins = createSessions<{ admin: string }>({ cookie: { name: "admin" } });
export const first: MiddlewareHandler = session(admins, {
  property: "admin",
  mode: ({ routePattern }) => (routePattern === "/" ? "none" : "merge"),
});
export const both: MiddlewareHandler = sequence(first, session());

// @ts-expect-error no such mode
session(admins, { mode: "sometimes" });
