import { sessionContext } from "coatcheck/react-router";
import { down } from "../suite.server";
import type { Route } from "./+types/down-resource";

export const middleware: Route.MiddlewareFunction[] = [down];

export function loader({ context }: Route.LoaderArgs) {
  context.get(sessionContext).data.user = "ann";
  return new Response("never seen", { headers: { "X-Request-Id": "7" } });
}
