// A server process of the farm: node server-process.ts <settings as JSON>. Messages shift its clock.
import { loadOurStore } from "../../src/config/stores.ts";
import { chaosServer } from "./server.ts";
import { shiftClock } from "./shifted-clock.ts";

export interface ServerSettings {
  port: number;
  /** The name of the store, and its options. */
  store: string;
  options: object;
}

const { port, store, options } = JSON.parse(process.argv[2]!) as ServerSettings;
process.on("message", (milliseconds: number) => shiftClock(milliseconds));
process.on("disconnect", () => process.exit());
const open = await loadOurStore(store);
const { server } = chaosServer(await open(options));
server.listen(port, "127.0.0.1", () => process.send!("ready"));
