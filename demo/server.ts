// One server of the farm: a process that keeps no state of its own.
import type { AddressInfo } from "node:net";
import { createSessions, type SessionsOptions } from "../src/index.ts";
import { shop } from "./shop.ts";
import { type Guest, newGuest } from "./state.ts";
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
const options = await openStore(location);

const sessions = createSessions<Guest>({
  secret,
  idleTimeout: "20m",
  absoluteTimeout: "8h",
  ...(options as SessionsOptions<Guest>),
  cookie: { secure: "auto", ...options.cookie, name: cookie },
  initial: newGuest,
});

const about = { server: number, store: describeStore(location) };
const server = shop(sessions, { about, cookie }).listen(0, "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo;
  process.send!({ port } satisfies Ready, () => {}); // fails only if the farm has ended
});

async function close(): Promise<void> {
  server.close();
  server.closeAllConnections();
  await sessions.close();
  process.exit();
}

process.once("SIGTERM", close);
// The farm has ended, perhaps without stopping its servers.
process.once("disconnect", close);
// Ctrl-C reaches every process of the terminal, but the farm stops its servers itself.
process.on("SIGINT", () => {});
