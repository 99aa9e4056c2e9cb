// Connects to SQL Server, and runs statements within a time limit.

import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";
import { storeTimeoutError } from "../../errors.ts";
import { withTimeout } from "../../util/timeout.ts";
import { createLazyClient, preload } from "../shared/lazy-client.ts";
import { loadMssql } from "../shared/optional-packages.ts";
import { importPeer } from "../shared/peer-dependency.ts";
import { retryOnDeadlock } from "../shared/sql/errors.ts";
import type { Row } from "../shared/sql/rows.ts";
import type { TableNames } from "../shared/sql/table.ts";
import { authentication } from "./authentication.ts";
import { callsForReconnection, isDeadlock, SERVICE, toMssqlError } from "./errors.ts";
import type { MssqlOptions, MssqlPool, MssqlRequest } from "./options.ts";
import { schema } from "./statements.ts";

/** Runs statements. The first one connects. */
export interface Database {
  /**
   * Runs statements in one round trip, and returns the rows of the first one that has any.
   *
   * @param operation the store's method, for messages.
   * @throws StoreError if they fail, or take longer than the time limit.
   */
  run(operation: string, text: string, values?: Record<string, unknown>): Promise<Row[]>;
  /** Settles as `call` does, within the time limit. */
  inTime<Result>(operation: string, call: Promise<Result>): Promise<Result>;
  close(): Promise<void>;
}

/** What the store uses of the package. */
interface Mssql {
  ConnectionPool: {
    new (config: object): MssqlPool;
    parseConnectionString(text: string): { options?: object; pool?: object };
  };
  BigInt: unknown;
  Int: unknown;
  MAX: unknown;
  VarBinary(length: unknown): unknown;
}

interface Client {
  pool: MssqlPool;
  types: Mssql;
}

/** How long the server may take to acknowledge that a statement is cancelled. The connection is closed after that. */
const CANCEL_TIMEOUT_MS = 1_000;

/** How often the table's creation is tried, in case other servers create it at the same moment. */
const MAX_CREATE_ATTEMPTS = 3;
const CREATE_PAUSE_MS = 50;

/** How often, at most, connections are renewed because a server refuses what it should do. */
const RENEW_EVERY_MS = 2_000;

/**
 * @param timeout the longest that a call may take, connecting and waiting for a connection included, in milliseconds.
 * @throws OptionError if the connection string asks for a way to sign in that is not supported.
 */
export function createDatabase(options: MssqlOptions, names: TableNames, timeout: number): Database {
  const { connectionString, server, database, connection, pool: given, createTable = false } = options;
  const signIn = authentication(options);
  const load = preload(async () => (await importPeer("mssql", loadMssql)).default as unknown as Mssql);
  let renewedAt = -Infinity;

  const client = createLazyClient<Client>(
    async () => {
      const types = await load();
      const pool = given ?? new types.ConnectionPool(configFor(types));
      // A connection that breaks while it is idle leaves the pool. Without a listener, the event would end the process.
      pool.on("error", ignore);
      try {
        await pool.connect();
        if (createTable) await createTableIfMissing(pool);
      } catch (error) {
        await Promise.resolve(shut({ pool })).catch(ignore);
        throw error;
      }
      return { pool, types };
    },
    (client) => shut(client),
  );

  /** A pool that has closed keeps the listener: its connections may still report errors. */
  function shut({ pool }: { pool: MssqlPool }): unknown {
    return given === undefined ? pool.close() : pool.off("error", ignore);
  }

  function configFor({ ConnectionPool }: Mssql): object {
    const text = connectionString === undefined ? {} : ConnectionPool.parseConnectionString(connectionString);
    const given = connection as { options?: object; pool?: object } | undefined;
    return {
      connectionTimeout: timeout,
      requestTimeout: timeout,
      validateConnection: knowsSocketValidation() ? "socket" : false,
      ...text,
      ...(server !== undefined && { server, database }),
      ...(signIn !== undefined && { authentication: signIn }),
      ...given,
      options: { cancelTimeout: CANCEL_TIMEOUT_MS, ...text.options, ...given?.options },
      pool: { acquireTimeoutMillis: timeout, createTimeoutMillis: timeout, ...text.pool, ...given?.pool },
    };
  }

  async function createTableIfMissing(pool: MssqlPool): Promise<void> {
    const text = schema(options);
    for (let attempt = 1; ; attempt++) {
      try {
        await pool.request().query(text);
        return;
      } catch (error) {
        // Whatever another server did at the same moment, the transaction has left nothing half done.
        if (attempt === MAX_CREATE_ATTEMPTS) throw error;
        await sleep(CREATE_PAUSE_MS * attempt * (0.5 + Math.random()));
      }
    }
  }

  async function run(operation: string, text: string, values: Record<string, unknown> = {}): Promise<Row[]> {
    let request: MssqlRequest | undefined;
    let isLate = false;

    async function attempt(): Promise<Row[]> {
      const { pool, types } = await client();
      return retryOnDeadlock(isDeadlock, async () => {
        if (isLate) throw storeTimeoutError(SERVICE, operation, timeout);
        request = pool.request();
        // What the application has set in its pool for its own queries.
        Object.assign(request, { stream: false, arrayRowMode: false });
        // Explicit types: the server keeps a plan for each text with its types, and `mssql` would infer them from the values.
        for (const [name, value] of Object.entries(values)) request.input(name, typeOf(name, types), value);
        try {
          return ((await request.query(text)).recordset ?? []) as Row[];
        } catch (error) {
          if (callsForReconnection(error)) renewConnections(pool, request);
          throw error;
        }
      });
    }

    return inTime(operation, attempt(), () => {
      isLate = true;
      request?.cancel();
    });
  }

  async function inTime<Result>(operation: string, call: Promise<Result>, onLate = ignore): Promise<Result> {
    try {
      return await withTimeout(call, timeout, () => {
        onLate();
        return storeTimeoutError(SERVICE, operation, timeout);
      });
    } catch (error) {
      throw toMssqlError(operation, error, names);
    }
  }

  /**
   * Closes the idle connections, so that the next calls connect again, to the server that is the primary now. After a
   * failover, a connection may stay open and lead to a server that refuses every write.
   */
  function renewConnections(pool: MssqlPool, request: MssqlRequest): void {
    const now = performance.now();
    if (now - renewedAt < RENEW_EVERY_MS || pool.acquire === undefined) return;
    renewedAt = now;
    for (let idle = pool.available ?? 0; idle > 0; idle--) {
      pool.acquire(request).then((connection) => {
        connection.close();
        pool.release!(connection);
      }, ignore);
    }
  }

  return { run, inTime, close: client.close };
}

/** The type of a parameter. */
function typeOf(name: string, types: Mssql): unknown {
  if (name.startsWith("key")) return types.VarBinary(255);
  if (name === "owner") return types.VarBinary(1024);
  if (name === "value") return types.VarBinary(types.MAX);
  return name === "limit" ? types.Int : types.BigInt;
}

/**
 * True if the package can look at a connection's socket before it uses it, from 12.3. Earlier ones would ask the server, in
 * one more round trip for each statement.
 */
function knowsSocketValidation(): boolean {
  try {
    const { version } = createRequire(import.meta.url)("mssql/package.json") as { version: string };
    const [major = 0, minor = 0] = version.split(".").map(Number);
    return major > 12 || (major === 12 && minor >= 3);
  } catch {
    return false;
  }
}

function ignore(): void {}
