// From the sources, which Node runs as they are: stripping types leaves the same JavaScript that the package has,
// and there is no build that could be stale.
import { createSessions, type Session, type SessionStore, type Sessions } from "../../src/index.ts";
import { memory } from "../../src/stores/memory.ts";
import { type Actions, SECRET, type StoreName } from "../contender.ts";
import { type Fields, tenKeys } from "../session-data.ts";

/** Defaults in everything, but for a cookie that travels over plain http. */
export async function sessionsIn(store: StoreName, redisUrl: string): Promise<Sessions<Fields>> {
  return createSessions<Fields>({
    store: await storeNamed(store, redisUrl),
    secret: SECRET,
    cookie: { secure: false },
    idleTimeout: "20m",
  });
}

async function storeNamed(name: StoreName, redisUrl: string): Promise<SessionStore> {
  if (name === "memory") return memory();
  const { redis } = await import("../../src/stores/redis/index.ts");
  return redis({ url: redisUrl });
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
