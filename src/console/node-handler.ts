// The console for node:http, and for the frameworks that stand on it.

import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ConsoleCore } from "./create-console.ts";
import { ofNode } from "./request.ts";

export function nodeHandler({ answer }: ConsoleCore): (req: IncomingMessage, res: ServerResponse) => Promise<void> {
  return async (req, res) => {
    const gone = new AbortController();
    res.once("close", () => gone.abort());
    const { status, headers, body, stream } = await answer(ofNode(req));
    // The client has left, or something else has answered it meanwhile, such as a time limit or `authorize`.
    if (gone.signal.aborted || res.headersSent) return;
    res.writeHead(status, headers);
    if (stream === undefined || req.method === "HEAD") {
      res.end(body);
      return;
    }
    res.flushHeaders();
    // A client that leaves is no error.
    await pipeline(Readable.from(stream(gone.signal)), res).catch(() => {});
  };
}
