// The stores of express-session that keep its sessions where coatcheck's are.
import { createRequire } from "node:module";
import { RedisStore } from "connect-redis";
import { createClient } from "redis";
import type { StoreLocation } from "../stores.ts";
import { expressSession } from "./rival.ts";

interface Connector {
  /** The name of its package. */
  readonly name: string;
  /** Connects on first use. */
  open(address: string): object;
}

type StoreClass = new (options: object) => object;

/** Neither package has types. */
const load = createRequire(import.meta.url) as (name: string) => (session: unknown) => StoreClass;

const connectors: Readonly<Record<string, Connector>> = {
  redis: {
    name: "connect-redis",
    open(url) {
      const client = createClient({ url });
      client.on("error", () => {}); // the server may be stopped, and comes back
      client.connect().catch(() => {});
      return new RedisStore({ client, prefix: "rival:" });
    },
  },

  postgres: {
    name: "connect-pg-simple",
    open(conString) {
      const PgStore = load("connect-pg-simple")(expressSession);
      return new PgStore({ conString, createTableIfMissing: true, errorLog: () => {} });
    },
  },

  mysql: {
    name: "express-mysql-session",
    open(url) {
      const { hostname: host, port, username: user, pathname } = new URL(url);
      const MysqlStore = load("express-mysql-session")(expressSession);
      return new MysqlStore({ host, port: Number(port), user, database: pathname.slice(1) });
    },
  },
};

/** The connector for the store that new sessions are in. Undefined: there is none, so a MemoryStore has to do. */
export function connectorOf(location: StoreLocation): { name: string; open(): object } | undefined {
  const plain = "to" in location ? location.to : location;
  if (!("environment" in plain)) return undefined;
  const connector = connectors[plain.environment];
  return connector && { name: connector.name, open: () => connector.open(plain.address) };
}
