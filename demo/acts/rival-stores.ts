// The stores of express-session that keep its sessions where coatcheck's are.
import { createRequire } from "node:module";
import { promisify } from "node:util";
import type { PlainLocation, StoreLocation } from "../stores.ts";
import { expressSession } from "./rival.ts";

interface Connector {
  /** The name of its package. */
  readonly name: string;
  /** Creates the table, once for all servers: where several do so at the same time, it fails for all but one. */
  createTable?(address: string): Promise<void>;
  /** Loads the packages, and connects on first use. */
  open(address: string): Promise<object>;
}

interface PgSessions {
  query(text: string, done: (error: Error | null) => void): void;
  close(): Promise<void>;
}

type StoreClass = new (options: object) => object;

/** Neither package has types. */
const load = createRequire(import.meta.url) as (name: string) => (session: unknown) => StoreClass;

const connectors: Readonly<Record<string, Connector>> = {
  redis: {
    name: "connect-redis",
    async open(url) {
      const [{ RedisStore }, { createClient }] = await Promise.all([import("connect-redis"), import("redis")]);
      const client = createClient({ url });
      client.on("error", () => {}); // the server may be stopped, and comes back
      client.connect().catch(() => {});
      return new RedisStore({ client, prefix: "rival:" });
    },
  },

  postgres: {
    name: "connect-pg-simple",
    async createTable(conString) {
      const PgStore = load("connect-pg-simple")(expressSession);
      const store = new PgStore({ conString, createTableIfMissing: true, pruneSessionInterval: false }) as PgSessions;
      await promisify(store.query.bind(store))("SELECT 1");
      await store.close();
    },
    async open(conString) {
      const PgStore = load("connect-pg-simple")(expressSession);
      return new PgStore({ conString, pruneSessionInterval: false, errorLog: () => {} });
    },
  },

  mysql: {
    name: "express-mysql-session",
    async open(url) {
      const { hostname: host, port, username: user, pathname } = new URL(url);
      const MysqlStore = load("express-mysql-session")(expressSession);
      return new MysqlStore({ host, port: Number(port), user, database: pathname.slice(1) });
    },
  },
};

/** Prepares the store for the servers' connectors, if it needs that. */
export async function prepareConnector({ environment, address }: PlainLocation): Promise<void> {
  await connectors[environment]?.createTable?.(address);
}

/** The connector for the store that new sessions are in. Undefined: there is none, so a MemoryStore has to do. */
export function connectorOf(location: StoreLocation): { name: string; open(): Promise<object> } | undefined {
  const plain = "to" in location ? location.to : location;
  if (!("environment" in plain)) return undefined;
  const connector = connectors[plain.environment];
  return connector && { name: connector.name, open: () => connector.open(plain.address) };
}
