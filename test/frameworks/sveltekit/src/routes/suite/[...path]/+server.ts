import { adminOf, kit, userOf } from "#lib/server/suite.ts";
import { route } from "#lib/server/suite-app.ts";
import type { RequestHandler } from "./$types";

export const GET: RequestHandler = async ({ locals, url }) => {
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
