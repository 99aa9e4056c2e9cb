// node server-process.ts <settings as JSON>: runs one server of the farm, and does what messages ask.
import { cached } from "../../src/compose/cached/index.ts";
import { failover } from "../../src/compose/failover/index.ts";
import { loadBuiltIn } from "../../src/config/stores.ts";
import type { SessionStore } from "../../src/index.ts";
import { type ChaosServer, chaosServer } from "./server.ts";
import type { ServerOptions } from "./session-data.ts";
import { shiftClock } from "./shifted-clock.ts";

export interface Standby {
  options: object;
  after: number;
}

export interface ServerSettings extends ServerOptions {
  port: number;
  /** The name of the store. */
  store: string;
  /** The options of the store. */
  options: object;
  /** A second store, which takes over when the first one has failed for `after` milliseconds. */
  standby?: Standby;
  /** Put a cache in front of the store. */
  isCached: boolean;
  /** By how many milliseconds the server's clock is wrong. */
  clock: number;
}

/** What the farm asks of a server. */
export type ServerMessage =
  /** Be wrong by this many milliseconds. */
  | { clock: number }
  /** Answer the requests under way, and start again. */
  | { restart: ServerSettings };

const settings = JSON.parse(process.argv[2]!) as ServerSettings;
process.on("disconnect", () => process.exit());
shiftClock(settings.clock);
const openStore = await loadBuiltIn(settings.store);
let running = await start(settings);
process.on("message", async (message: ServerMessage) => {
  if ("clock" in message) return shiftClock(message.clock);
  await running.stop();
  running = await start(message.restart);
});

/** Tells the farm when the server takes requests. */
async function start({ options, standby, isCached, port, ...rest }: ServerSettings): Promise<ChaosServer> {
  const primary = await openStore(options);
  const store = standby
    ? failover({ primary, standby: await openStore(standby.options), after: standby.after, onTakeover() {} })
    : primary;
  const started = chaosServer(isCached ? withCache(store) : store, rest);
  started.server.listen(port, "127.0.0.1", () => process.send!("ready"));
  return started;
}

/** Cached entries are dropped on a change notification or, if the store sends none, after a while. */
function withCache(store: SessionStore): SessionStore {
  return cached(store, store.watch ? { onListening() {} } : { maxAge: "500ms" });
}
