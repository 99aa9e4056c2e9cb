import { data, isRouteErrorResponse, Outlet } from "react-router";
import { both, userContext } from "../suite.server";
import type { Route } from "./+types/mind";

export const middleware: Route.MiddlewareFunction[] = both;

/** The parent of the pages: its loader runs beside theirs. */
export function loader({ context }: Route.LoaderArgs) {
  context.get(userContext).update("n", (n) => (n ?? 0) + 1);
  return data({ seen: true }, { headers: { "Set-Cookie": "parent=1" } });
}

export default function Mind({ loaderData }: Route.ComponentProps) {
  return (
    <>
      <p data-seen={String(loaderData.seen)} />
      <Outlet />
    </>
  );
}

export function ErrorBoundary({ error }: Route.ErrorBoundaryProps) {
  return <p data-error="">{isRouteErrorResponse(error) ? `${error.status} ${error.data}` : "an error"}</p>;
}
