// One server of a farm with a console at /admin/sessions/. Its settings are the first argument, as JSON.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { session } from "../../src/adapters/node.ts";
import { console as webConsole } from "../../src/console/index.ts";
import { createSessions } from "../../src/index.ts";
import { redis } from "../../src/stores/redis/index.ts";
import type { Data } from "../support/set-up.ts";
import { SECRET } from "../support/stores.ts";

export interface PageServerSettings {
  name: string;
  redis: string;
}

/** What the page must never show. */
export const VALUE = "a value of the session";

/** The message when it takes requests. */
export interface PageServerReady {
  port: number;
}

if (import.meta.main) {
  const { name, redis: url } = JSON.parse(process.argv[2]!) as PageServerSettings;
  process.on("disconnect", () => process.exit());
  const sessions = createSessions<Data>({
    store: redis({ url }),
    secret: SECRET,
    application: "shop",
    cookie: { secure: false, name: "sid" },
  });
  let isOpen = true;
  const { node } = webConsole(sessions, { name, authorize: () => isOpen });
  const application = session(sessions)((req, res) => {
    const { pathname, searchParams } = new URL(req.url!, "http://localhost");
    switch (pathname) {
      case "/":
        break;
      case "/sign-in":
        req.session.owner = searchParams.get("owner")!;
        req.session.client = { label: searchParams.get("device")!, address: "192.0.2.7" };
        req.session.data.note = VALUE;
        break;
      case "/close-the-console":
        isOpen = false;
        return res.end(name);
      default:
        res.statusCode = 404;
    }
    res.end(req.session.id);
  });
  const server = createServer((req, res) => {
    if (req.url!.startsWith("/admin/sessions")) void node(req, res);
    else application(req, res);
  });
  server.listen(0, "127.0.0.1", () => {
    process.send!({ port: (server.address() as AddressInfo).port } satisfies PageServerReady);
  });
}
