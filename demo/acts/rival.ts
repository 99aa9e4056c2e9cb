// The same shop with express-session, as its README shows it: what parallel clicks lose there.
import { createRequire } from "node:module";
import express, { type Express, type Request, type RequestHandler } from "express";
import type { Hung } from "../state.ts";
import { waitForOthers } from "./meeting.ts";

/** Not imported: its types for an Express request's session conflict with coatcheck's. */
export const expressSession = createRequire(import.meta.url)("express-session") as (options: object) => RequestHandler;

/** @param store a store of express-session. Undefined: its MemoryStore. */
export function rival(store: object | undefined, { secret, cookie }: { secret: string; cookie: string }): Express {
  const app = express();
  app.use(
    expressSession({
      name: `${cookie}-rival`,
      secret,
      resave: false,
      saveUninitialized: true,
      ...(store && { store }),
    }),
  );
  app.use(waitForOthers);

  app.get("/rail", (req, res) => {
    res.json(sessionOf(req).rail ?? []);
  });

  app.post("/rail", express.urlencoded({ extended: false }), (req, res) => {
    const session = sessionOf(req);
    const { hanger, ware } = req.body as Hung;
    session.rail = [...(session.rail ?? []), { hanger, ware }];
    res.redirect(303, "/");
  });

  return app;
}

function sessionOf(req: Request): { rail?: Hung[] } {
  return req.session as unknown as { rail?: Hung[] };
}
