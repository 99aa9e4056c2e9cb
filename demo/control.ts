// The panel's buttons, and the events that update open pages.
import { type Request, type Response, Router } from "express";
import type { Fleet } from "./fleet.ts";
import { panel } from "./panel.ts";
import type { FarmState } from "./state.ts";

/** Runs in the farm's process: the shop cannot start or kill servers. */
export function control(fleet: Fleet, state: () => FarmState) {
  const router = Router();
  const listeners = new Set<Response>();
  let due: NodeJS.Timeout | undefined;

  router.use((req, res, next) => {
    if (isOwnPage(req)) next();
    else res.status(403).type("text").send("Only pages of this farm may do this.\n");
  });

  router.post("/servers/:number/:action", async (req, res) => {
    const { action } = req.params;
    const number = Number(req.params.number);
    const isKnown = fleet.servers.some((server) => server.number === number);
    if (!isKnown || (action !== "kill" && action !== "start")) return void res.sendStatus(404);
    await fleet[action](number);
    res.redirect(303, "/");
  });

  router.get("/events", (_, res) => {
    res.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" }).write(event());
    listeners.add(res);
    res.once("close", () => listeners.delete(res));
  });

  function event(): string {
    return `data: ${panel(state()).markup.replaceAll("\n", " ")}\n\n`;
  }

  return {
    router,
    /** Updates the open pages. Changes within a few milliseconds are sent together. */
    changed(): void {
      if (due !== undefined) return;
      due = setTimeout(() => {
        due = undefined;
        for (const listener of listeners) listener.write(event());
      }, 20);
    },
  };
}

/** Any site can post a form to this address, and any host name can point to it. */
function isOwnPage({ hostname, headers: { origin, host } }: Request): boolean {
  return ["localhost", "127.0.0.1"].includes(hostname) && (origin === undefined || origin === `http://${host}`);
}
