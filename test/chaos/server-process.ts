// A server process of the farm: node server-process.ts <settings as JSON>. Messages shift its clock.
import { cached } from "../../src/compose/cached.ts";
import { loadOurStore } from "../../src/config/stores.ts";
import type { SessionStore } from "../../src/index.ts";
import { chaosServer } from "./server.ts";
import { shiftClock } from "./shifted-clock.ts";

export interface ServerSettings {
  port: number;
  /** The name of the store, and its options. */
  store: string;
  options: object;
  /** Keep copies in front of it. */
  cached: boolean;
}

const settings = JSON.parse(process.argv[2]!) as ServerSettings;
process.on("message", (milliseconds: number) => shiftClock(milliseconds));
process.on("disconnect", () => process.exit());
const open = await loadOurStore(settings.store);
const store = await open(settings.options);
const { server } = chaosServer(settings.cached ? withCopies(store) : store);
server.listen(settings.port, "127.0.0.1", () => process.send!("ready"));

/** Copies go when a change is announced, or, where the store announces none, after a while. */
function withCopies(store: SessionStore): SessionStore {
  return cached(store, store.watch ? { onListening() {} } : { maxAge: "500ms" });
}
