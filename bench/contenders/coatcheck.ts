// From the sources, which Node runs as they are: stripping types leaves the same JavaScript that the package has,
// and there is no build that could be stale.
import { createSessions, type Session, type SessionStore, type Sessions } from "../../src/index.ts";
import { memory } from "../../src/stores/memory.ts";
import { type Actions, IDLE_SECONDS, SECRET, type StoreName } from "../contender.ts";
import { type Fields, tenKeys } from "../session-data.ts";

/** Defaults in everything, but for a cookie that travels over plain http. */
export async function sessionsIn(store: StoreName, address: string): Promise<Sessions<Fields>> {
  return createSessions<Fields>({
    store: await storeNamed(store, address),
    secret: SECRET,
    cookie: { secure: false },
    idleTimeout: IDLE_SECONDS * 1000,
    // Shorter only where sessions are to expire while something is measured.
    sweepInterval: Math.min(IDLE_SECONDS / 6, 30) * 1000,
  });
}

/** Each process loads what its own store needs. */
export async function storeNamed(name: StoreName, address: string): Promise<SessionStore> {
  switch (name) {
    case "cookie":
      return (await import("../../src/stores/sealed-cookie.ts")).sealedCookie();
    case "file":
      return (await import("../../src/stores/file.ts")).file({ path: address });
    case "redis": {
      const { redis } = await import("../../src/stores/redis/index.ts");
      const nodes = address.split(",");
      return redis(nodes.length > 1 ? { cluster: { nodes } } : { url: address });
    }
    case "cached": {
      const { cached } = await import("../../src/compose/index.ts");
      return cached(await storeNamed("redis", address));
    }
    case "postgres":
      return (await import("../../src/stores/postgres.ts")).postgres({ url: address, createTable: true });
    case "mysql":
      return (await import("../../src/stores/mysql.ts")).mysql({ url: address, createTable: true });
    default:
      return memory();
  }
}

export const withCoatcheck: Actions<{ session: Session<Fields> }> = {
  read: ({ session }) => session.data.user,
  change: ({ session }) => session.update("views", (views = 0) => views + 1),
  fill: ({ session }) => void Object.assign(session.data, tenKeys()),
  set({ session }, slot) {
    session.data[slot] = 1;
  },
  all: ({ session }) => ({ ...session.data }),
};
