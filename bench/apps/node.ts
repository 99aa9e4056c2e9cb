// The benchmark's application on node:http.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type Actions, counted, SLOW_MS } from "../contender.ts";
import type { Fields } from "../session-data.ts";

type Handler = (req: IncomingMessage, res: ServerResponse) => unknown;

/** `wrap` adds the session. `save` is for libraries that save only when the application asks for it. */
export function nodeApp<Request>(
  actions: Actions<Request>,
  wrap: (handler: Handler) => Handler,
  save?: (request: Request) => Promise<void>,
): Promise<number> {
  function saved(request: Request, res: ServerResponse, text: string): void | Promise<void> {
    if (save === undefined) return answer(res, text);
    return save(request).then(() => answer(res, text));
  }

  function answer(res: ServerResponse, text: string): void {
    res.setHeader("Content-Type", "text/plain; charset=utf-8");
    res.setHeader("Content-Length", Buffer.byteLength(text));
    res.end(text);
  }

  async function slowly(path: string, request: Request, res: ServerResponse): Promise<void> {
    await sleep(SLOW_MS);
    if (path === "/slow-change") {
      await saved(request, res, counted(actions.change(request)));
    } else {
      actions.set(request, path.slice("/slow-set/".length) as keyof Fields & `slot${number}`);
      await saved(request, res, "written");
    }
  }

  const handler: Handler = (req, res) => {
    const request = req as unknown as Request;
    const path = req.url!;
    switch (path) {
      case "/read":
        return answer(res, actions.read(request));
      case "/change":
        return saved(request, res, counted(actions.change(request)));
      case "/new":
        actions.fill(request);
        return saved(request, res, "created");
      case "/check":
        return answer(res, JSON.stringify(actions.all(request)));
      default:
        return slowly(path, request, res);
    }
  };

  const server = createServer(wrap(handler));
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port));
  });
}
