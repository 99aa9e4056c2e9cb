// A server of the console's page, with the figures of a farm that is larger than this machine could run.

import { once } from "node:events";
import { createReadStream, existsSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { CONSOLE_PAGE } from "../../scripts/console-page.ts";
import { type FarmSettings, simulatedFarm } from "./simulated-farm.ts";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
};
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:";
const PATH = "/admin/sessions/";
/** The page gets so many states of the past, as if it had been open. */
const SECONDS_BEFORE = 300;

/** Serves the page on a free port, and feeds it each second. */
export async function startFeed(settings: FarmSettings) {
  const listeners = new Set<ServerResponse>();
  const now = Date.now();
  const second = simulatedFarm(settings, now - SECONDS_BEFORE * 1_000);
  const events = Array.from({ length: SECONDS_BEFORE }, (_, i) => eventOf(second(now - (SECONDS_BEFORE - i) * 1_000)));
  const timer = setInterval(() => {
    const event = eventOf(second(Date.now()));
    events.shift();
    events.push(event);
    for (const listener of listeners) listener.write(event);
  }, 1_000);

  const server = createServer((req, res) => {
    const path = req.url!.slice(PATH.length);
    if (path === "live") {
      res.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
      listeners.add(res);
      res.on("close", () => listeners.delete(res));
      return res.write(events.join(""));
    }
    const file = join(CONSOLE_PAGE, path || "index.html");
    if (!existsSync(file)) return res.writeHead(404).end();
    res.writeHead(200, { "content-type": TYPES[extname(file)]!, "content-security-policy": POLICY });
    return createReadStream(file).pipe(res);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${PATH}`,
    stop() {
      clearInterval(timer);
      server.close();
      server.closeAllConnections();
    },
  };
}

const eventOf = (state: object): string => `data: ${JSON.stringify(state)}\n\n`;
