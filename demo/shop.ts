// The application: an ordinary Express shop. It does not depend on its server or its store, and only shows their names.
import { randomBytes } from "node:crypto";
import express, { type ErrorRequestHandler, type Express, type Request, Router } from "express";
import { session } from "../src/adapters/express.ts";
import type { Session, Sessions } from "../src/index.ts";
import { deviceOf, devicesOf, signIn } from "./acts/devices.ts";
import { waitForOthers } from "./acts/meeting.ts";
import { type Race, race } from "./acts/race.ts";
import { storeDownPage } from "./closed.ts";
import { farmOf } from "./farm-header.ts";
import { type About, shopPage } from "./page.ts";
import type { Guest } from "./state.ts";
import { wares } from "./wares.ts";

export interface ShopOptions {
  about: About;
  /** The name of the session's cookie. */
  cookie: string;
  /** The sessions of the guest's phone. They have a cookie of their own, as on another device. */
  phones: { sessions: Sessions<Guest>; cookie: string };
}

export function shop(sessions: Sessions<Guest>, { about, cookie, phones }: ShopOptions): Express {
  const app = express().disable("x-powered-by");
  app.use(session(sessions), session(phones.sessions, { property: "phone" }));
  app.use(waitForOthers);
  app.use(express.urlencoded({ extended: false }));
  app.use(rail(guestOf));
  app.use("/phone", rail(phoneOf));

  app.get("/", async (req, res) => {
    const [guest, phone] = [guestOf(req), phoneOf(req)];
    // Writes nothing to a session with an unknown ticket: a new ticket would replace the unknown one in the browser.
    const isTicketUnknown = guest.isNew && hasCookie(req, cookie);
    if (!isTicketUnknown) guest.update("visits", (visits = 0) => visits + 1);
    const note = guest.flash("note") as string | undefined;
    const race = guest.flash("race") as Race | undefined;
    await guest.save(); // so that the page shows the stored session
    shopPage(res, {
      about,
      guest,
      isTicketUnknown,
      note,
      race,
      hangers: Object.keys(wares).map(() => newName()),
      phone: hasCookie(req, phones.cookie) ? phone : undefined,
      devices: guest.owner === undefined ? [] : await devicesOf(sessions, guest.owner),
      farm: farmOf(req),
    });
  });

  app.post("/sign-in", async (req, res) => {
    const guest = guestOf(req);
    const name = nameFrom(req);
    await signIn(guest, name, deviceOf(req.headers["user-agent"]));
    guest.flash("note", `Welcome, ${name}. You have a new ticket and keep your things.`);
    res.redirect(303, "/");
  });

  app.post("/sign-out", async (req, res) => {
    const guest = guestOf(req);
    await guest.destroy();
    guest.flash("note", "Signed out. That session has ended on every server. This is a new one.");
    res.redirect(303, "/");
  });

  app.post("/phone/sign-in", async (req, res) => {
    const [guest, phone] = [guestOf(req), phoneOf(req)];
    const name = guest.owner ?? nameFrom(req);
    if (guest.owner === undefined) await signIn(guest, name, deviceOf(req.headers["user-agent"]));
    await signIn(phone, name, "Phone");
    guest.flash("note", `${name} is signed in here and on a phone. Each has a ticket and a session of its own.`);
    res.redirect(303, "/");
  });

  app.post("/sign-out-everywhere", async (req, res) => {
    const guest = guestOf(req);
    const ended = guest.owner === undefined ? 0 : await sessions.revokeAll(guest.owner);
    await guest.destroy();
    guest.flash("note", `Signed out everywhere: ${ended} ${ended === 1 ? "session has" : "sessions have"} ended.`);
    res.redirect(303, "/");
  });

  app.post("/race", async (req, res) => {
    const guest = guestOf(req);
    const farm = farmOf(req);
    if (farm === undefined) return void res.sendStatus(404);
    const result = await race({
      url: farm.url,
      cookie: req.headers.cookie ?? "",
      name: newName(),
      async rail() {
        await guest.reload();
        return guest.data.rail;
      },
    });
    guest.flash("race", result);
    res.redirect(303, "/");
  });

  app.use(((error, req, res, _next) => {
    const { status = 500, headers = {}, message } = error as Failure;
    const farm = farmOf(req);
    if (status === 503 && farm !== undefined)
      storeDownPage(res, { farm, server: about.server, isRead: req.method === "GET" });
    else res.status(status).set(headers).type("text").send(`${message}\n`);
  }) satisfies ErrorRequestHandler);
  return app;
}

interface Failure {
  status?: number;
  headers?: Record<string, string>;
  message: string;
}

/** Hangs wares on the rail of a session, and takes them off. */
function rail(sessionOf: (req: Request) => Session<Guest>): Router {
  const router = Router();

  router.post("/rail", (req, res) => {
    const [hanger, ware] = [field(req, "hanger"), field(req, "ware")];
    if (!/^[\w-]{8,36}$/.test(hanger) || !Object.hasOwn(wares, ware)) return void res.sendStatus(400);
    // A function: if another server changes the rail concurrently, it runs again on the newer rail.
    sessionOf(req).update("rail", (rail = []) =>
      rail.some((hung) => hung.hanger === hanger) ? rail : [...rail, { hanger, ware }],
    );
    res.redirect(303, "/");
  });

  router.post("/rail/:hanger/off", (req, res) => {
    sessionOf(req).update("rail", (rail = []) => rail.filter(({ hanger }) => hanger !== req.params.hanger));
    res.redirect(303, "/");
  });

  return router;
}

/** Applications usually declare their data once in `SessionData`. This one shares its types with others, so it casts. */
function guestOf(req: Request): Session<Guest> {
  return req.session as unknown as Session<Guest>;
}

function phoneOf(req: Request): Session<Guest> {
  return (req as unknown as { phone: Session<Guest> }).phone;
}

function hasCookie({ headers }: Request, name: string): boolean {
  return headers.cookie?.includes(`${name}=`) === true;
}

/** A field of a form, or an empty text. */
function field(req: Request, name: string): string {
  return String((req.body as Record<string, unknown> | undefined)?.[name] ?? "");
}

function nameFrom(req: Request): string {
  return field(req, "name").trim().slice(0, 40) || "Ada";
}

/** A name that nothing else has: of a hanger, of a race. */
function newName(): string {
  return randomBytes(6).toString("base64url");
}
