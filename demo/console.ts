// The console beside the shop: each server has it, for the browsers of this machine.
import type { IncomingMessage } from "node:http";
import { type Console, console } from "../src/console/index.ts";
import type { Sessions } from "../src/index.ts";
import { isOwnHost } from "./own-page.ts";
import type { Guest } from "./state.ts";

/** The farm listens on the loopback address only, so that nobody else can ask. A name of another site may point to it. */
export function shopConsole(sessions: Sessions<Guest>, server: number): Console {
  return console(sessions, {
    name: `server ${server}`,
    authorize: (request) => isOwnHost((request as IncomingMessage).headers.host),
  });
}
