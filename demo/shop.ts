// The application: an ordinary Express shop. It does not depend on its server or its store, and only shows their names.
import { randomBytes } from "node:crypto";
import express, { type ErrorRequestHandler, type Express, type Request } from "express";
import { session } from "../src/adapters/express.ts";
import type { Session, Sessions } from "../src/index.ts";
import { type About, shopPage } from "./page.ts";
import type { FarmState, Guest } from "./state.ts";
import { wares } from "./wares.ts";

export interface ShopOptions {
  about: About;
  /** The name of the session's cookie. */
  cookie: string;
}

export function shop(sessions: Sessions<Guest>, { about, cookie }: ShopOptions): Express {
  const app = express().disable("x-powered-by");
  app.use(session(sessions));
  app.use(express.urlencoded({ extended: false }));

  app.get("/", async (req, res) => {
    const guest = guestOf(req);
    // Writes nothing to a session with an unknown ticket: a new ticket would replace the unknown one in the browser.
    const isTicketUnknown = guest.isNew && req.headers.cookie?.includes(`${cookie}=`) === true;
    if (!isTicketUnknown) guest.update("visits", (visits = 0) => visits + 1);
    const note = guest.flash("note") as string | undefined;
    await guest.save(); // so that the page shows the stored session
    const hangers = Object.keys(wares).map(() => randomBytes(6).toString("base64url"));
    shopPage(res, { about, guest, isTicketUnknown, note, hangers, farm: farmOf(req) });
  });

  app.post("/rail", (req, res) => {
    const [hanger, ware] = [field(req, "hanger"), field(req, "ware")];
    if (!/^[\w-]{8,36}$/.test(hanger) || !Object.hasOwn(wares, ware)) return void res.sendStatus(400);
    // A function: if another server changes the rail concurrently, it runs again on the newer rail.
    guestOf(req).update("rail", (rail = []) =>
      rail.some((hung) => hung.hanger === hanger) ? rail : [...rail, { hanger, ware }],
    );
    res.redirect(303, "/");
  });

  app.post("/rail/:hanger/off", (req, res) => {
    guestOf(req).update("rail", (rail = []) => rail.filter(({ hanger }) => hanger !== req.params.hanger));
    res.redirect(303, "/");
  });

  app.post("/sign-in", async (req, res) => {
    const guest = guestOf(req);
    guest.data.name = field(req, "name").trim().slice(0, 40) || "Ada";
    guest.owner = guest.data.name;
    await guest.regenerate();
    guest.flash("note", `Welcome, ${guest.data.name}. You have a new ticket and keep your things.`);
    res.redirect(303, "/");
  });

  app.post("/sign-out", async (req, res) => {
    const guest = guestOf(req);
    await guest.destroy();
    guest.flash("note", "Signed out. That session has ended on every server. This is a new one.");
    res.redirect(303, "/");
  });

  app.use(apologize);
  return app;
}

/** Applications usually declare their data once in `SessionData`. This one shares its types with others, so it casts. */
function guestOf(req: Request): Session<Guest> {
  return req.session as unknown as Session<Guest>;
}

/** A field of a form, or an empty text. */
function field(req: Request, name: string): string {
  return String((req.body as Record<string, unknown> | undefined)?.[name] ?? "");
}

/** The farm's state, which the load balancer sends with every request. Undefined without a farm. */
function farmOf({ headers }: Request): FarmState | undefined {
  return headers["x-farm"] === undefined ? undefined : JSON.parse(String(headers["x-farm"]));
}

const apologize: ErrorRequestHandler = (error, _req, res, _next) => {
  const { status = 500, message } = error as { status?: number; message?: string };
  res.status(status).type("text").send(`${message}\n`);
};
