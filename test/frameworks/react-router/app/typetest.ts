// What the types know. `npm run typecheck` of the example checks it.

import { createSessions, type Session, type SessionData } from "coatcheck";
import { session, sessionContext, toSessionStorage } from "coatcheck/react-router";
import { createContext, type MiddlewareFunction, type SessionStorage } from "react-router";
import type { Route } from "./+types/root";
import { userContext } from "./suite.server";

export function declared({ context }: Route.LoaderArgs): Record<string, number> {
  const { data } = context.get(sessionContext);
  // @ts-expect-error the session has no such key
  data.basket = {};
  // @ts-expect-error the cart counts
  data.cart = ["hat"];
  return data.cart;
}

export function byTypeArgument({ context }: Route.LoaderArgs): number {
  const { data } = context.get(userContext);
  // @ts-expect-error the session has no such key
  data.cart = {};
  return data.n;
}

const admins = createSessions<{ admin: string }>();
export const middleware: MiddlewareFunction<Response>[] = [
  session(admins, {
    context: createContext<Session<{ admin: string }>>(),
    mode: ({ url }) => (url.hash ? "none" : undefined),
  }),
  // @ts-expect-error a place for other sessions
  session(admins, { context: createContext<Session<{ user: string }>>() }),
  // @ts-expect-error no such mode
  session(admins, { mode: "read" }),
];

const sessions = createSessions();
const own = toSessionStorage(sessions);
export const storage: SessionStorage<SessionData> = own;
export const direct: SessionStorage<SessionData> = toSessionStorage(sessions);
