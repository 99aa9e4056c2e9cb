import { exclusive, userContext } from "../suite.server";
import type { Route } from "./+types/mind-exclusive";

// The parent's session, from here on for this request alone.
export const middleware: Route.MiddlewareFunction[] = [exclusive];

export async function loader({ context, url }: Route.LoaderArgs) {
  const session = context.get(userContext);
  const n = session.data.n ?? 0;
  await new Promise((resolve) => setTimeout(resolve, 5));
  session.data.n = n + 1;
  if (url.searchParams.has("fail")) throw new Error("the loader fails on purpose");
  return new Response("added");
}
