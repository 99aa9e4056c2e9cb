// The console for frameworks whose requests and responses are those of the platform.

import type { ConsoleCore } from "./create-console.ts";
import { ofFetch } from "./request.ts";

export function fetchHandler({ answer }: ConsoleCore): (request: Request, context?: unknown) => Promise<Response> {
  return async (request, context) => {
    const { status, headers, body, stream } = await answer(ofFetch(request, context));
    if (request.method === "HEAD") return new Response(null, { status, headers });
    return new Response(stream === undefined ? (body ?? null) : sent(stream, request.signal), { status, headers });
  };
}

/** Some runtimes cancel the body when the client leaves, and some abort the request. */
function sent(stream: (gone: AbortSignal) => AsyncIterable<string>, left: AbortSignal): ReadableStream<Uint8Array> {
  const gone = new AbortController();
  left.addEventListener("abort", () => gone.abort(), { once: true });
  if (left.aborted) gone.abort();
  const texts = stream(gone.signal)[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await texts.next();
      if (done) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
    cancel: () => gone.abort(),
  });
}
