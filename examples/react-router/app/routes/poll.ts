import { session, sessionContext } from "coatcheck/react-router";
import { sessions } from "../sessions.server";
import type { Route } from "./+types/poll";

// The middleware of root.tsx has opened the session. Here it is for reading only.
export const middleware: Route.MiddlewareFunction[] = [session(sessions, { mode: "readonly" })];

export function loader({ context }: Route.LoaderArgs) {
  const { cart } = context.get(sessionContext).data;
  return Response.json({ items: Object.values(cart).reduce((sum, count) => sum + count, 0) });
}
