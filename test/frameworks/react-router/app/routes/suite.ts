import { adminContext, both, kit, userContext } from "../suite.server";
import { route } from "../suite-app";
import type { Route } from "./+types/suite";

export const middleware: Route.MiddlewareFunction[] = both;

export async function loader({ context, url }: Route.LoaderArgs) {
  if (url.pathname.endsWith("/calls")) return new Response(String(kit.calls()));
  const answer = await route(context.get(userContext), url, context.get(adminContext));
  const { status = 200, headers = {}, body = null, stream } = answer;
  return new Response(stream ? streamOf(stream()) : body, { status, headers });
}

function streamOf(texts: AsyncIterable<string>): ReadableStream {
  const iterator = texts[Symbol.asyncIterator]();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await iterator.next();
      if (done) controller.close();
      else controller.enqueue(new TextEncoder().encode(value));
    },
  });
}
