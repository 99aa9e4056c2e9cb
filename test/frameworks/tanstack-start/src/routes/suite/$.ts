import { createFileRoute } from "@tanstack/react-router";
import { kit } from "../../suite";
import { route } from "../../suite-app";

export const Route = createFileRoute("/suite/$")({
  server: {
    handlers: {
      ANY: async ({ request, context: { users, admin } }) => {
        const url = new URL(request.url);
        if (url.pathname.endsWith("/calls")) return new Response(String(kit.calls()));
        const { status = 200, headers = {}, body, stream } = await route(users, url, admin);
        return new Response(stream ? streamOf(stream()) : (body ?? null), { status, headers });
      },
    },
  },
});

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
