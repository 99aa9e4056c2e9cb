// Where parallel clicks meet: each has read its session, and waits for the others before it changes anything.
import { type RequestHandler, Router } from "express";
import { farmOf } from "../farm-header.ts";

/** The header of a click that waits: `name/size/who`. */
export const MEETING = "x-meeting";

/** Milliseconds after which a click no longer waits for others. They may have failed. */
const MAX_WAIT_MS = 30_000;

interface Meeting {
  readonly present: Set<string>;
  readonly full: PromiseWithResolvers<void>;
}

/** The side of the farm: answers when all are there. */
export function meetings(): Router {
  const router = Router();
  const meetings = new Map<string, Meeting>();

  router.post("/:name/:size/:who", async (req, res) => {
    const { name, size, who } = req.params;
    const meeting = meetings.get(name) ?? begin(name);
    // A click that a server's death interrupted comes again: it counts once.
    if (meeting.present.add(who).size >= Number(size)) meeting.full.resolve();
    await meeting.full.promise;
    res.sendStatus(204);
  });

  function begin(name: string): Meeting {
    const meeting = { present: new Set<string>(), full: Promise.withResolvers<void>() };
    meetings.set(name, meeting);
    const timer = setTimeout(meeting.full.resolve, MAX_WAIT_MS);
    meeting.full.promise.then(() => {
      clearTimeout(timer);
      meetings.delete(name);
    });
    return meeting;
  }

  return router;
}

/** The side of a shop: between its session middleware and its routes. */
export const waitForOthers: RequestHandler = async (req, _res, next) => {
  const meeting = req.get(MEETING);
  const farm = farmOf(req);
  if (meeting !== undefined && farm !== undefined)
    await fetch(`${farm.url}/farm/meetings/${meeting}`, { method: "POST" });
  next();
};
