import { sessionContext } from "coatcheck/react-router";
import { down } from "../suite.server";
import type { Route } from "./+types/down";

export const middleware: Route.MiddlewareFunction[] = [down];

export function loader({ context }: Route.LoaderArgs) {
  context.get(sessionContext).data.user = "ann";
  return { known: true };
}

export default function Down({ loaderData }: Route.ComponentProps) {
  return <p>{String(loaderData.known)}</p>;
}
