// One server of the farm: a process of its own, with nothing in it that another server could not do as well.
import type { AddressInfo } from "node:net";
import { createSessions, type SessionsOptions } from "../src/index.ts";
import { type Guest, newGuest, shop } from "./shop.ts";
import { describePlace, type Kept, openPlace } from "./stores.ts";

/** What the farm tells a server, in its environment. */
export interface Setup {
  number: number;
  kept: Kept;
  secret: string;
  cookie: string;
}

/** What a server tells the farm once it takes requests. */
export interface Ready {
  port: number;
}

const { number, kept, secret, cookie }: Setup = JSON.parse(process.env.CLOAKROOM_SERVER!);
const options = await openPlace(kept);

const sessions = createSessions<Guest>({
  secret,
  idleTimeout: "20m",
  absoluteTimeout: "8h",
  ...(options as SessionsOptions<Guest>),
  cookie: { secure: "auto", ...options.cookie, name: cookie },
  initial: newGuest,
});

const about = { server: number, kept: describePlace(kept) };
const server = shop(sessions, { about, cookie }).listen(0, "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo;
  process.send!({ port } satisfies Ready, () => {}); // fails only if the farm is gone
});

async function close(): Promise<void> {
  server.close();
  server.closeAllConnections();
  await sessions.close();
  process.exit();
}

process.once("SIGTERM", close);
// The farm is gone, however it ended: nobody would stop this process later.
process.once("disconnect", close);
// Ctrl-C reaches every process of the terminal; it is the farm that stops its servers.
process.on("SIGINT", () => {});
