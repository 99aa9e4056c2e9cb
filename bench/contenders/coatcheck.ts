// What the contenders with coatcheck share. They run the sources, whose JavaScript is the package's, and no stale build.
import {
  createSessions,
  type Session,
  type SessionStore,
  type Sessions,
  type SessionsOptions,
} from "../../src/index.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { type Actions, IDLE_SECONDS, SECRET, type StoreName } from "../contender.ts";
import { type Fields, tenKeys } from "../session-data.ts";

/** All options are the defaults, except that the cookie works over plain http. */
export async function sessionsIn(
  store: StoreName,
  address: string,
  more: Pick<SessionsOptions<Fields>, "cipher"> = {},
): Promise<Sessions<Fields>> {
  return createSessions<Fields>({
    ...more,
    store: await storeNamed(store, address),
    secret: SECRET,
    cookie: { secure: false },
    idleTimeout: IDLE_SECONDS * 1000,
    // Shorter than the default only where sessions expire during a measurement.
    sweepInterval: Math.min(IDLE_SECONDS / 6, 30) * 1000,
  });
}

/** Loads only the module of the chosen store. */
export async function storeNamed(name: StoreName, address: string): Promise<SessionStore> {
  switch (name) {
    case "cookie":
      return (await import("../../src/stores/sealed-cookie/index.ts")).sealedCookie();
    case "file":
      return (await import("../../src/stores/file/index.ts")).file({ path: address });
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
      return (await import("../../src/stores/postgres/index.ts")).postgres({ url: address, createTable: true });
    case "mysql":
      return (await import("../../src/stores/mysql/index.ts")).mysql({ url: address, createTable: true });
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

/** The same actions, where a framework has the session in another place. */
export function throughProperty<Request, Place>(
  actions: Actions<Place>,
  of: (request: Request) => Place,
): Actions<Request> {
  return {
    read: (request) => actions.read(of(request)),
    change: (request) => actions.change(of(request)),
    fill: (request) => actions.fill(of(request)),
    set: (request, slot) => actions.set(of(request), slot),
    all: (request) => actions.all(of(request)),
  };
}
