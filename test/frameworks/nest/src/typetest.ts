// What the types know. `npm run typecheck` of the example checks it.

import { createSessions } from "coatcheck";
import { SessionModule, sessionMode } from "coatcheck/nest";
import type { ShopSession } from "./sessions.js";

export function declared(session: ShopSession): Record<string, number> {
  // @ts-expect-error the session has no such key
  session.data.basket = {};
  // @ts-expect-error the cart counts
  session.data.cart = ["hat"];
  return session.data.cart;
}

const admins = createSessions<{ admin: string }>();

export const modules = [
  SessionModule.forRoot(),
  SessionModule.forRoot(admins, { property: "admin", mode: ({ url }) => (url === "/" ? "none" : undefined) }),
  SessionModule.forRootAsync({ inject: [Date], useFactory: (date: Date) => ({ secret: date.toISOString() }) }),
  SessionModule.forRootAsync({ useFactory: async () => admins }),
  // @ts-expect-error no such mode
  SessionModule.forRoot(admins, { mode: "read" }),
  // @ts-expect-error no option of the adapter
  SessionModule.forRoot(admins, { secret: "a secret" }),
];

// @ts-expect-error a guard opens no session, and closes none
export const guard = sessionMode("none");
