// One server of the farm: a process that keeps no state of its own.
import { once } from "node:events";
import { flushCompileCache } from "node:module";
import type { AddressInfo } from "node:net";
import express from "express";
import { createSessions, type Sessions, type SessionsOptions } from "../src/index.ts";
import { rival } from "./acts/rival.ts";
import { connectorOf } from "./acts/rival-stores.ts";
import { shopConsole } from "./console.ts";
import { shop } from "./shop.ts";
import { APPLICATION, type Guest, newGuest } from "./state.ts";
import { describeStore, openStore, type StoreLocation } from "./stores.ts";

/** A server's settings, which the farm passes in an environment variable. */
export interface Setup {
  number: number;
  location: StoreLocation;
  secret: string;
  cookie: string;
}

/** The message of a server to the farm once it takes requests. */
export interface Ready {
  port: number;
}

const { number, location, secret, cookie }: Setup = JSON.parse(process.env.CLOAKROOM_SERVER!);

/** Sessions in the farm's store whose ticket is in this cookie. */
async function sessionsIn(name: string): Promise<Sessions<Guest>> {
  const options = await openStore(location);
  return createSessions<Guest>({
    secret,
    application: APPLICATION,
    idleTimeout: "20m",
    absoluteTimeout: "8h",
    ...(options as SessionsOptions<Guest>),
    cookie: { secure: "auto", ...options.cookie, name },
    initial: newGuest,
  });
}

const phoneCookie = `${cookie}-phone`;
const [sessions, phoneSessions] = [await sessionsIn(cookie), await sessionsIn(phoneCookie)];
const connector = connectorOf(location);
const about = { server: number, store: await describeStore(location), rival: connector?.name };

const app = express().disable("x-powered-by");
app.use("/rival", rival(await connector?.open(), { secret, cookie }));
const shownConsole = shopConsole(sessions, number);
app.use("/console", shownConsole.node);
app.use(shop(sessions, { about, cookie, phones: { sessions: phoneSessions, cookie: phoneCookie } }));
const server = app.listen(0, "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo;
  process.send!({ port } satisfies Ready, () => {}); // fails only if the farm has ended
  flushCompileCache(); // a server that is killed does not write it at its end
});

/** Finishes the requests that have begun, and ends. */
async function close(): Promise<void> {
  const closed = once(server, "close");
  server.close();
  await shownConsole.close(); // its streams have no end of their own
  await closed;
  await Promise.all([sessions.close(), phoneSessions.close()]);
  process.exit();
}

process.once("SIGTERM", close);
// The farm has ended, perhaps without stopping its servers.
process.once("disconnect", close);
// Ctrl-C reaches every process of the terminal, but the farm stops its servers itself.
process.on("SIGINT", () => {});
