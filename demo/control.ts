// The buttons of the panel and of the programme that act on the farm, and the events that update open pages.
import { type Response, Router } from "express";
import { meetings } from "./acts/meeting.ts";
import { storeActs } from "./acts/programme.ts";
import type { Fleet } from "./fleet.ts";
import { isOwnPage } from "./own-page.ts";
import { panel } from "./panel.ts";
import type { FarmState } from "./state.ts";
import type { StoreControl } from "./store-control.ts";

/** Runs in the farm's process: the shop cannot start or kill anything. */
export function control(fleet: Fleet, store: StoreControl, state: () => FarmState) {
  const router = Router();
  const listeners = new Set<Response>();
  let due: NodeJS.Timeout | undefined;

  router.use((req, res, next) => {
    if (isOwnPage(req)) next();
    else res.status(403).type("text").send("Only pages of this farm may do this.\n");
  });

  router.use("/meetings", meetings());

  router.post("/servers/start", async (_, res) => {
    await Promise.all(fleet.servers.map(({ number }) => fleet.start(number)));
    res.redirect(303, "/");
  });

  router.post("/store/stop", async (_, res) => {
    await store.stop();
    res.redirect(303, "/");
  });

  router.post("/store/start", async (_, res) => {
    await store.start();
    res.redirect(303, "/");
  });

  router.post("/store/move", (_, res) => {
    // It takes a while, and the shop stays open: the panel shows how far it is.
    store.move().catch((error) => console.error(error));
    res.redirect(303, "/");
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
    const now = state();
    const parts = [panel(now), ...storeActs(now.store)];
    return `data: ${parts.map(({ markup }) => markup.replaceAll("\n", " ")).join("")}\n\n`;
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
