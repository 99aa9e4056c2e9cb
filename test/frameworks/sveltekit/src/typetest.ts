// What the types of an application with the adapter say.

import type { RequestEvent } from "@sveltejs/kit";
import { type Handle, sequence } from "@sveltejs/kit/hooks";
import { createSessions } from "coatcheck";
import { session } from "coatcheck/sveltekit";

export function keys({ locals }: RequestEvent): number {
  const { cart, user } = locals.session.data;
  // @ts-expect-error the session has no such key
  locals.session.data.kart = {};
  // @ts-expect-error a count is a number
  locals.session.data.cart.hat = "two";
  locals.session.update("cart", (cart) => ({ ...cart, hat: 1 }));
  return (cart.hat ?? 0) + (user?.length ?? 0);
}

const admins = createSessions<{ admin: string }>({ cookie: { name: "admin" } });
export const first: Handle = session(admins, { property: "admin", mode: ({ route }) => (route.id ? "merge" : "none") });
export const both: Handle = sequence(first, session());

// @ts-expect-error no such mode
session(admins, { mode: "sometimes" });
