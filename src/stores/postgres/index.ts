// The PostgreSQL store.

import { OptionError, storeTimeoutError, toStoreError } from "../../errors.ts";
import type { SessionStore, Version } from "../../store.ts";
import { milliseconds } from "../../util/duration.ts";
import { checkNames } from "../../util/option-names.ts";
import { withTimeout } from "../../util/timeout.ts";
import { MAX_TIMER_MS } from "../../util/timers.ts";
import { createLazyClient, preload } from "../shared/lazy-client.ts";
import { loadPg } from "../shared/optional-packages.ts";
import { importPeer } from "../shared/peer-dependency.ts";
import { batchedDelete, batchedRead, batchedTouch, batchedWrite, type Write } from "../shared/sql/batch.ts";
import { missingTable, notSent, retryOnDeadlock } from "../shared/sql/errors.ts";
import {
  assertFits,
  firstVersion,
  listPages,
  PAGE_SIZE,
  type Row,
  toBuffer,
  toClaimed,
  toSession,
} from "../shared/sql/rows.ts";
import { tableNames } from "../shared/sql/table.ts";
import { Connections } from "./connections.ts";
import { failureOf, isDeadlock, isMissingTable, isReadOnly, isRefusal } from "./errors.ts";
import { createChangeListener, type ListeningClient } from "./listener.ts";
import { HINTS, NAMES, type PostgresOptions, type PostgresPool, type PostgresQuery } from "./options.ts";
import { channelOf, columnsOf, createStatements, QUOTING, schema, TYPES } from "./statements.ts";

export type { PostgresConnection, PostgresOptions, PostgresPool, PostgresQuery } from "./options.ts";
export { schema };

/** What the store uses of the package. */
interface Pg {
  Pool: new (config: object) => PostgresPool;
  Client: new (config: object) => ListeningClient;
}

interface Insert extends Write {
  version: number;
}

interface Update extends Write {
  ifVersion: Version;
}

/** What the store does on first use, for the message if it fails. */
const CREATE_TABLE = "create its table";

/** The number of the advisory lock under which a table is created. It is arbitrary, and the same for all servers. */
const SCHEMA_LOCK = 2_606_110_273;

/**
 * Keeps sessions in PostgreSQL 11 or later, with the package `pg`. It connects on first use.
 *
 * @throws OptionError if an option is wrong, or if `pool` is given together with `url` or `connection`.
 */
export function postgres(options: PostgresOptions = {}): SessionStore {
  checkNames("postgres()", options, NAMES, HINTS);
  const { url, connection, pool: given, createTable = false, notify = false, prepare = true } = options;
  if (given !== undefined && (url !== undefined || connection !== undefined)) {
    throw new OptionError("pool", given, 'leave out "url" and "connection": the pool has its own.');
  }
  // pg would take the name of a host for a protocol, and connect somewhere else.
  if (url !== undefined && !/^\/|^socket:|:\/\//.test(url)) {
    throw new OptionError(
      "url",
      url,
      "give a URL such as postgres://user:password@host:5432/name, with the password percent-encoded.",
    );
  }
  const timeout = milliseconds("timeout", options.timeout ?? "5s");
  const names = tableNames(options, QUOTING);
  const channel = channelOf(names);
  const sql = createStatements(names, notify ? channel : undefined, prepare);
  const config = given?.options ?? {
    ...(url !== undefined && { connectionString: url }),
    connectionTimeoutMillis: Math.min(timeout, MAX_TIMER_MS),
    keepAlive: true,
    ...connection,
  };

  const pg = given === undefined || notify ? preload(importPg) : importPg;
  const makeClient = async () => new (await pg()).Client(config);

  const client = createLazyClient(async () => {
    const pool = given ?? new (await pg()).Pool(config);
    // A connection that breaks while it is idle leaves the pool. Without a listener, the event would end the process.
    pool.on("error", ignore);
    pool.on("acquire", connections.listen);
    try {
      // A given pool may have no limit of its own, and the first call would wait forever.
      const late = () => storeTimeoutError("PostgreSQL", CREATE_TABLE, timeout);
      if (createTable) await withTimeout(createTableIfMissing(pool), timeout, late);
      return pool;
    } catch (error) {
      shut(pool).catch(ignore);
      throw notSent("PostgreSQL", CREATE_TABLE, error);
    }
  }, shut);

  /** A pool that has ended keeps the listeners: its connections may still report errors. */
  async function shut(pool: PostgresPool): Promise<void> {
    if (given === undefined) {
      await pool.end();
      return;
    }
    pool.off("error", ignore);
    pool.off("acquire", connections.listen);
  }

  /** Looks for the table first, so that an account without the right to create tables can use one that is there. */
  async function createTableIfMissing(pool: PostgresPool): Promise<void> {
    const lookUp = { text: "SELECT to_regclass($1) IS NOT NULL AS is_there", values: [names.table], types: TYPES };
    const { rows } = await connections.query(pool, CREATE_TABLE, lookUp);
    if ((rows[0] as { is_there: boolean }).is_there) return;
    // Without the lock, IF NOT EXISTS fails for one of two servers that start concurrently. One query is one transaction.
    const text = `SELECT pg_advisory_xact_lock(${SCHEMA_LOCK});\n${schema(options)}`;
    await connections.query(pool, CREATE_TABLE, { text });
  }

  const connections = new Connections(
    canNewConnectionWrite,
    () => changes.reconnect(),
    given !== undefined && "query_timeout" in given.options ? undefined : timeout,
  );

  /** Whether a new connection leads to a server that takes writes. */
  async function canNewConnectionWrite(): Promise<boolean> {
    const connection = await makeClient();
    connection.on("error", ignore);
    try {
      const write = connection.connect().then(() => connection.query(sql.writeNothing.text));
      await withTimeout(write, timeout, () => storeTimeoutError("PostgreSQL", "connect", timeout));
      return true;
    } catch (error) {
      if (isReadOnly(error)) return false;
      throw error;
    } finally {
      connection.end().catch(ignore);
    }
  }

  async function run<Result = Row>(operation: string, statement: PostgresQuery, values: unknown[]) {
    let pool: PostgresPool;
    try {
      pool = await client();
    } catch (error) {
      throw notSent("PostgreSQL", operation, error);
    }
    try {
      const { rows, rowCount } = await retryOnDeadlock(isDeadlock, () =>
        connections.query(pool, operation, { ...statement, values }),
      );
      return { rows: rows as Result[], count: rowCount };
    } catch (error) {
      const reason = isMissingTable(error) ? missingTable(names.label) : undefined;
      throw toStoreError("PostgreSQL", operation, error, reason, failureOf(error, operation));
    }
  }

  const readRow = batchedRead(async (keys) => {
    const rows = keys.length === 1 ? run("read", sql.read, keys) : run("read", sql.readMany, [keys]);
    return (await rows).rows;
  });

  const insert = batchedWrite<Insert>({
    isRefusal,
    async writeOne({ key, version, session: { value, expiresAt, owner } }) {
      const values = [key, version, expiresAt, owner, toBuffer(value)];
      return (await run("create", sql.create, values)).count === 1;
    },
    async writeMany(inserts) {
      const { rows } = await run<{ key: string }>("create", sql.createMany, [
        inserts.map(({ key }) => key),
        inserts.map(({ version }) => version),
        ...columnsOf(inserts),
      ]);
      return rows.map(({ key }) => key);
    },
  });

  const replace = batchedWrite<Update>({
    isRefusal,
    async writeOne({ key, ifVersion, session: { value, expiresAt, owner } }) {
      const values = [key, ifVersion, expiresAt, owner, toBuffer(value)];
      return (await run("update", sql.update, values)).count === 1;
    },
    async writeMany(updates) {
      const { rows } = await run<{ key: string }>("update", sql.updateMany, [
        updates.map(({ key }) => key),
        updates.map(({ ifVersion }) => ifVersion),
        ...columnsOf(updates),
      ]);
      return rows.map(({ key }) => key);
    },
  });

  const deleteRow = batchedDelete({
    isRefusal,
    deleteOne: async (key) => (await run("delete", sql.delete, [key, undefined])).count === 1,
    async deleteMany(keys) {
      const { rows } = await run<{ key: string }>("delete", sql.deleteMany, [keys]);
      return rows.map(({ key }) => key);
    },
    exists: async (key) => (await readRow(key)) !== undefined,
  });

  // One by one, sessions that are extended together would each take a connection, and a new one is a process of the server.
  const touchRow = batchedTouch({
    isRefusal,
    touchOne: async ({ key, expiresAt }) => (await run("touch", sql.touch, [key, expiresAt])).count === 1,
    async touchMany(touches) {
      const values = [touches.map(({ key }) => key), touches.map(({ expiresAt }) => expiresAt)];
      return (await run<{ key: string }>("touch", sql.touchMany, values)).rows.map(({ key }) => key);
    },
  });

  const changes = createChangeListener(makeClient, channel, timeout);

  return {
    name: "postgres",

    async read(key) {
      const row = await readRow(key);
      return row && toSession(row);
    },

    async create(key, session) {
      assertFits(key, session.owner);
      const version = firstVersion();
      return (await insert({ key, session, version })) ? version : "exists";
    },

    async update(key, session, ifVersion) {
      assertFits(key, session.owner);
      if (await replace({ key, session, ifVersion })) return Number(ifVersion) + 1;
      return (await readRow(key)) ? "conflict" : "gone";
    },

    async delete(key, ifVersion) {
      if (ifVersion === undefined) return deleteRow(key);
      return (await run("delete", sql.delete, [key, ifVersion])).count === 1;
    },

    touch: (key, expiresAt) => touchRow({ key, expiresAt }),

    async time() {
      return (await run<{ time: number }>("give its time", sql.time, [])).rows[0]!.time;
    },

    async close() {
      await changes.close();
      await client.close();
    },

    list({ owner }) {
      return listPages(async (after) => {
        const values = [after, PAGE_SIZE];
        const page =
          owner === undefined ? run("list", sql.list, values) : run("list", sql.listOwner, [...values, owner]);
        return (await page).rows;
      });
    },

    async claimExpired(now, limit) {
      return toClaimed((await run("claimExpired", sql.claim, [now, limit])).rows);
    },

    ...(notify && { watch: changes.watch }),
  };
}

async function importPg(): Promise<Pg> {
  return (await importPeer("pg", loadPg)).default as unknown as Pg;
}

function ignore(): void {}
