// The application: an ordinary Express shop. It can't tell on which server it runs, or where its sessions are kept;
// what its pages say of that it was told.
import { randomBytes } from "node:crypto";
import express, { type ErrorRequestHandler, type Express, type Request } from "express";
import { session } from "../src/adapters/express.ts";
import type { Session, Sessions } from "../src/index.ts";
import { type About, shopPage } from "./page.ts";
import type { FarmState } from "./panel.ts";
import { wares } from "./wares.ts";

/** What the shop remembers of a guest. */
export interface Guest {
  rail: Hung[];
  visits: number;
  name?: string;
}

/** A ware on the guest's rail, on a hanger of its own. */
export interface Hung {
  hanger: string;
  ware: string;
}

export const newGuest = { rail: [], visits: 0 } satisfies Guest;

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
    // A ticket that is not known here stays with the guest: a new one would take its place.
    const isStranger = guest.isNew && req.headers.cookie?.includes(`${cookie}=`) === true;
    if (!isStranger) guest.update("visits", (visits = 0) => visits + 1);
    const note = guest.flash("note") as string | undefined;
    await guest.save(); // the page shows the session as it is kept now
    const hangers = Object.keys(wares).map(() => randomBytes(6).toString("base64url"));
    shopPage(res, { about, guest, isStranger, note, hangers, farm: farmOf(req) });
  });

  app.post("/rail", (req, res) => {
    const [hanger, ware] = [field(req, "hanger"), field(req, "ware")];
    if (!/^[\w-]{8,36}$/.test(hanger) || !Object.hasOwn(wares, ware)) return void res.sendStatus(400);
    // A function: if another server changes the rail meanwhile, it runs again on what is there then.
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
    guest.flash("note", `Welcome, ${guest.data.name}. Your ticket is a new one, and your things came along.`);
    res.redirect(303, "/");
  });

  app.post("/sign-out", async (req, res) => {
    const guest = guestOf(req);
    await guest.destroy();
    guest.flash("note", "Signed out. That session is gone from every server; this is a new one.");
    res.redirect(303, "/");
  });

  app.use(apologize);
  return app;
}

/** Applications say once what their sessions hold, by adding to `SessionData`; this one shares its types with others. */
function guestOf(req: Request): Session<Guest> {
  return req.session as unknown as Session<Guest>;
}

/** A field of a form; empty if it is not there. */
function field(req: Request, name: string): string {
  return String((req.body as Record<string, unknown> | undefined)?.[name] ?? "");
}

/** The farm tells with every request how it is. Without a farm there is nothing to tell. */
function farmOf({ headers }: Request): FarmState | undefined {
  return headers["x-farm"] === undefined ? undefined : JSON.parse(String(headers["x-farm"]));
}

const apologize: ErrorRequestHandler = (error, _req, res, _next) => {
  const { status = 500, message } = error as { status?: number; message?: string };
  res.status(status).type("text").send(`${message}\n`);
};
