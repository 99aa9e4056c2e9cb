import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { SessionData, SessionsOptions } from "../src/index.ts";
import { file } from "../src/stores/file.ts";
import { memory } from "../src/stores/memory.ts";
import { redis } from "../src/stores/redis/index.ts";
import { run, tempDir } from "../test/servers/process.ts";
import { startRedis } from "../test/servers/redis.ts";

/** A place to keep sessions. The farm prepares it once, every server opens it, and the shop never sees which it is. */
export interface Place {
  /** For the page: where a session is, in one sentence. */
  readonly where: string;
  /** For the page: what goes wrong here, and why. Left out: nothing. */
  readonly warning?: string;
  /** Starts what has to run, and gives its address. What it starts and writes ends with this process. */
  prepare(): Promise<string>;
  /** The one line in which the stores differ. */
  open(address: string): SessionsOptions<SessionData>;
}

export const places: Readonly<Record<string, Place>> = {
  file: {
    where: "One file on this machine, open in all servers at once. Nothing else to run.",
    prepare: async () => join(tempDir("cloakroom"), "sessions"),
    open: (path) => ({ store: file({ path }) }),
  },

  redis: {
    where: "A Redis server that all servers share.",
    async prepare() {
      const { REDIS_URL } = process.env;
      if (REDIS_URL) return REDIS_URL;
      await run("sh", [fileURLToPath(import.meta.resolve("../scripts/install-servers.sh")), "redis-server"]);
      return (await startRedis()).url;
    },
    open: (url) => ({ store: redis({ url }) }),
  },

  memory: {
    where: "The memory of whichever server gave you the ticket. It ends with that server.",
    warning:
      "Each server knows its own sessions only: watch the rail flicker. The other servers have never heard of your " +
      "ticket, and when yours dies, your things are gone. This is what a shared store is for.",
    prepare: async () => "",
    open: () => ({ store: memory() }),
  },
};
