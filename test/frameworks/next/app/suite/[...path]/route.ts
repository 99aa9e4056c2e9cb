import { admins, kit, users } from "../../../lib/suite";
import { route, suiteOptions } from "../../../lib/suite-app";

const pathOf = (request: Request) => new URL(request.url).pathname;

export const GET = users.withSession(
  (request, user) =>
    admins.withSession(async (request, admin) => {
      const url = new URL(request.url);
      if (url.pathname.endsWith("/calls")) return new Response(String(kit.calls()));
      const { status = 200, headers = {}, body, stream } = await route(user, url, admin);
      const content = stream ? streamOf(stream()) : (body ?? null);
      return new Response(content, { status, headers });
    })(request),
  {
    mode: (request) => suiteOptions.mode(pathOf(request)),
    extend: (request) => suiteOptions.extend(pathOf(request)),
  },
);

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
