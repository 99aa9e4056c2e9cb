import type { APIRoute } from "astro";
import { adminOf, kit, userOf } from "../../lib/suite";
import { route } from "../../lib/suite-app";

export const ALL: APIRoute = async ({ locals, url }) => {
  if (url.pathname.endsWith("/calls")) return new Response(String(kit.calls()));
  const { status = 200, headers = {}, body, stream } = await route(userOf(locals), url, adminOf(locals));
  const content = stream ? streamOf(stream()) : body;
  return new Response(content ?? null, { status, headers });
};

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
