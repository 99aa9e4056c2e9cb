import { createHash } from "node:crypto";
import { type Duration, milliseconds } from "../duration.ts";
import { OptionError } from "../errors.ts";
import type { SessionStore, Version } from "../store.ts";
import { importPeer } from "./peer.ts";
import { batchedRead, batchedWrite, type Write } from "./sql/batch.ts";
import { despiteDeadlock, onFirstUse, storeError } from "./sql/client.ts";
import { type ListeningClient, listening } from "./sql/listen.ts";
import { binary, claimed, firstVersion, mustFit, PAGE, pages, type Row, stored } from "./sql/rows.ts";
import { type Names, type Quoting, type TableOptions, tableNames } from "./sql/table.ts";

export interface PostgresOptions extends TableOptions {
  /** The database, as in `"postgres://user:password@host:5432/name"`. Default: libpq's variables, such as `PGHOST`. */
  url?: string;
  /** Further options of `pg.Pool`, such as `{ max: 20, ssl: { ca } }`. `max`, its connections, is 10 by default. */
  connection?: Record<string, unknown>;
  /** A `pg.Pool` to use instead, which stays yours to end. */
  pool?: PostgresPool;
  /** Creates the table and its indexes on first use if they are missing. Default: false; see `schema`. */
  createTable?: boolean;
  /**
   * Whether to announce each change, so that `watch` can be had. All servers of a farm must give the same. Costs each
   * write a lock that all announcing transactions of the database share. Default: false.
   */
  notify?: boolean;
  /** Prepares each statement once for each connection. Turn off behind a pooler that can't. Default: true. */
  prepare?: boolean;
  /** How long a connection or a statement may take. Not for a `pool` of yours, which has its own. Default: `"5s"`. */
  timeout?: Duration;
}

/** What is needed of a `pg.Pool`. */
export interface PostgresPool {
  query(query: PostgresQuery): Promise<{ rows: unknown[]; rowCount: number | null }>;
  on(event: "error", listener: (error: Error) => void): unknown;
  off(event: "error", listener: (error: Error) => void): unknown;
  end(): Promise<void>;
  readonly options: object;
}

export interface PostgresQuery {
  text: string;
  name?: string;
  values?: unknown[];
  types?: { getTypeParser(oid: number): (text: string) => unknown };
}

interface PgModule {
  Pool: new (config: object) => PostgresPool;
  Client: new (config: object) => ListeningClient;
}

type StatementName =
  | "read"
  | "readMany"
  | "createMany"
  | "updateMany"
  | "create"
  | "update"
  | "delete"
  | "touch"
  | "list"
  | "listOwner"
  | "claim";

/** Names may have 63 bytes; the server would cut off the rest. */
const QUOTING: Quoting = { quote: '"', longest: 63, unit: "bytes" };

interface Insert extends Write {
  version: number;
}

interface Update extends Write {
  ifVersion: Version;
}

const ALL = "key, version, expires_at, owner, value";

/** Any number will do, as long as it is always the same. */
const LOCK = 2_606_110_273;

/** How to read the columns, whatever the application told `pg` to do for its own. */
const PARSERS: Record<number, (text: string) => unknown> = {
  16: (text) => text === "t",
  17: (text) => Buffer.from(text.slice(2), "hex"),
  20: Number,
};
const TYPES = { getTypeParser: (oid: number) => PARSERS[oid] ?? String };

/**
 * Keeps sessions in PostgreSQL 11 or later, with the package `pg`. Connects on first use.
 *
 * @throws OptionError if a name can't be one, or if `pool` is given together with `url` or `connection`.
 */
export function postgres(options: PostgresOptions = {}): SessionStore {
  const { url, connection, pool: given, createTable = false, notify = false, prepare = true } = options;
  if (given !== undefined && (url !== undefined || connection !== undefined)) {
    throw new OptionError("pool", given, 'leave out "url" and "connection": the pool has its own.');
  }
  const timeout = milliseconds("timeout", options.timeout ?? "5s");
  const names = tableNames(options, QUOTING);
  const channel = `coatcheck_${digest(names.table)}`;
  const sql = statements(names, notify ? channel : undefined, prepare);
  const config = given?.options ?? {
    ...(url !== undefined && { connectionString: url }),
    connectionTimeoutMillis: timeout,
    query_timeout: timeout,
    keepAlive: true,
    ...connection,
  };

  const client = onFirstUse(
    async () => {
      const pool = given ?? new (await importPg()).Pool(config);
      // A connection that breaks while nobody uses it leaves the pool; unheard, the event would end the process.
      pool.on("error", ignore);
      if (createTable) await create(pool, options, names);
      return pool;
    },
    // Its connections may still report errors after the end.
    (pool) => (given === undefined ? pool.end() : pool.off("error", ignore)),
  );

  async function run<Result = Row>(statement: PostgresQuery, values: unknown[]) {
    try {
      const pool = await client();
      const result = await despiteDeadlock(isDeadlock, () => pool.query({ ...statement, values }));
      return { rows: result.rows as Result[], count: result.rowCount };
    } catch (error) {
      throw storeError("postgres", error, codeOf(error) === "42P01", names.plain);
    }
  }

  const read = batchedRead(async (keys) => {
    const now = Date.now();
    return (await (keys.length === 1 ? run(sql.read, [keys[0], now]) : run(sql.readMany, [keys, now]))).rows;
  });

  const insert = batchedWrite<Insert>({
    isRefusal,
    async alone({ key, version, session: { value, expiresAt, owner } }) {
      return (await run(sql.create, [key, version, expiresAt, owner, binary(value), Date.now()])).count === 1;
    },
    async together(inserts) {
      const { rows } = await run<{ key: string }>(sql.createMany, [
        inserts.map(({ key }) => key),
        inserts.map(({ version }) => version),
        ...columnsOf(inserts),
      ]);
      return rows.map(({ key }) => key);
    },
  });

  const replace = batchedWrite<Update>({
    isRefusal,
    async alone({ key, ifVersion, session: { value, expiresAt, owner } }) {
      return (await run(sql.update, [key, ifVersion, expiresAt, owner, binary(value), Date.now()])).count === 1;
    },
    async together(updates) {
      const { rows } = await run<{ key: string }>(sql.updateMany, [
        updates.map(({ key }) => key),
        updates.map(({ ifVersion }) => ifVersion),
        ...columnsOf(updates),
        Date.now(),
      ]);
      return rows.map(({ key }) => key);
    },
  });

  const changes = listening(async () => new (await importPg()).Client(config), channel, timeout);

  return {
    async read(key) {
      const row = await read(key);
      return row && stored(row);
    },

    async create(key, session) {
      mustFit(key, session.owner);
      const version = firstVersion();
      return (await insert({ key, session, version })) ? version : "exists";
    },

    async update(key, session, ifVersion) {
      mustFit(key, session.owner);
      if (await replace({ key, session, ifVersion })) return Number(ifVersion) + 1;
      return (await read(key)) ? "conflict" : "gone";
    },

    async delete(key, ifVersion) {
      return (await run(sql.delete, [key, Date.now(), ifVersion])).count === 1;
    },

    async touch(key, expiresAt) {
      return (await run(sql.touch, [key, expiresAt, Date.now()])).count === 1;
    },

    async close() {
      await changes.close();
      await client.close();
    },

    list({ owner }) {
      return pages(async (after) => {
        const values = [after, Date.now(), PAGE];
        return (await (owner === undefined ? run(sql.list, values) : run(sql.listOwner, [...values, owner]))).rows;
      });
    },

    async claimExpired(now, limit) {
      return claimed((await run(sql.claim, [now, limit])).rows);
    },

    ...(notify && { watch: changes.watch }),
  };
}

/** The statements that make the table, for people who run migrations. Takes the same names as the store. */
export function schema(options: TableOptions = {}): string {
  const { table, index } = tableNames(options, QUOTING);
  return `CREATE TABLE IF NOT EXISTS ${table} (
  key text COLLATE "C" PRIMARY KEY,
  version bigint NOT NULL,
  expires_at bigint NOT NULL, -- milliseconds since 1970
  owner text COLLATE "C",
  value bytea NOT NULL
);
-- Sealed bytes don't shrink: no time is spent on trying.
ALTER TABLE ${table} ALTER COLUMN value SET STORAGE EXTERNAL;
CREATE INDEX IF NOT EXISTS ${index("expires_at")} ON ${table} (expires_at);
CREATE INDEX IF NOT EXISTS ${index("owner")} ON ${table} (owner, key) WHERE owner IS NOT NULL;
`;
}

function statements(
  { table }: Names,
  channel: string | undefined,
  prepare: boolean,
): Record<StatementName, PostgresQuery> {
  const announce = (type: "write" | "delete") =>
    `, pg_notify('${channel}', '${type} ' || ${type === "write" ? "version" : "''"} || ' ' || key)`;
  // With a channel, a statement that changes rows also announces it, in the same round trip.
  const announced = (type: "write" | "delete", change: string, columns?: string) =>
    channel === undefined
      ? change + (columns === undefined ? "" : ` RETURNING ${columns}`)
      : `WITH changed AS (${change} RETURNING ${columns ?? "key, version"}) SELECT *${announce(type)} FROM changed`;
  const entries = `SELECT key, expires_at, owner FROM ${table} WHERE key > $1 AND expires_at > $2`;
  const many = `unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::int[], $6::int[])
         AS new (key, version, expires_at, owner, start, length)`;

  const texts: Record<StatementName, string> = {
    read: `SELECT ${ALL} FROM ${table} WHERE key = $1 AND expires_at > $2`,
    readMany: `SELECT ${ALL} FROM ${table} WHERE key = ANY ($1::text[]) AND expires_at > $2`,

    // An expired session that nobody has swept yet makes room.
    create: announced(
      "write",
      `INSERT INTO ${table} AS old (key, version, expires_at, owner, value) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (key) DO UPDATE
       SET version = excluded.version, expires_at = excluded.expires_at, owner = excluded.owner, value = excluded.value
       WHERE old.expires_at <= $6`,
    ),

    // Telling a conflict from a session that is gone in this statement, too, costs a third of the throughput; the rare
    // caller that is refused asks in a second one.
    update: announced(
      "write",
      `UPDATE ${table} SET version = version + 1, expires_at = $3, owner = $4, value = $5
       WHERE key = $1 AND version = $2 AND expires_at > $6`,
    ),

    // A key that is taken is left alone, whether its session has expired or not. The values come in one piece: as an
    // array, they would be written in hexadecimal.
    createMany: announced(
      "write",
      `INSERT INTO ${table} (key, version, expires_at, owner, value)
       SELECT key, version, expires_at, owner, substring($7::bytea FROM start FOR length)
       FROM ${many} ON CONFLICT (key) DO NOTHING`,
      "key, version",
    ),

    // A row that somebody holds is left alone, so that a batch never waits, and never dies in a deadlock. Found again by its
    // place, a row costs half of what a join by key does; a difference keeps the planner from the index of expires_at,
    // through which it would read all rows.
    updateMany: announced(
      "write",
      `UPDATE ${table} AS old
       SET version = old.version + 1, expires_at = new.expires_at, owner = new.owner,
         value = substring($7::bytea FROM new.start FOR new.length)
       FROM ${many}
       WHERE old.ctid = ANY (ARRAY (SELECT ctid FROM ${table} WHERE key = ANY ($1::text[]) FOR UPDATE SKIP LOCKED))
         AND old.key = new.key AND old.version = new.version AND old.expires_at - $8::bigint > 0`,
      "old.key, old.version",
    ),

    delete: announced(
      "delete",
      `DELETE FROM ${table} WHERE key = $1 AND expires_at > $2 AND ($3::bigint IS NULL OR version = $3)`,
    ),

    touch: `UPDATE ${table} SET expires_at = $2 WHERE key = $1 AND expires_at > $3`,

    list: `${entries} ORDER BY key LIMIT $3`,
    listOwner: `${entries} AND owner = $4 ORDER BY key LIMIT $3`,

    // Rows that another server is sweeping are skipped. The array makes sure that they are chosen once.
    claim: announced(
      "delete",
      `DELETE FROM ${table} WHERE key = ANY (ARRAY (
         SELECT key FROM ${table} WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED))`,
      "key, expires_at, owner, value",
    ),
  };
  const named = Object.entries(texts).map(([name, text]) => {
    // A connection has one text for a name, and may serve stores with other tables.
    return [name, { text, types: TYPES, ...(prepare && { name: `coatcheck_${name}_${digest(text)}` }) }];
  });
  return Object.fromEntries(named);
}

/** What statements of many writes take besides keys and versions. Where each value starts is counted from 1. */
function columnsOf(writes: Write[]): unknown[] {
  const values = writes.map(({ session }) => session.value);
  let end = 1;
  return [
    writes.map(({ session }) => session.expiresAt),
    writes.map(({ session }) => session.owner),
    values.map(({ length }) => {
      end += length;
      return end - length;
    }),
    values.map(({ length }) => length),
    Buffer.concat(values),
  ];
}

/** Creates the table unless it is there: so that an account without the right to create works once it is. */
async function create(pool: PostgresPool, options: TableOptions, { table }: Names): Promise<void> {
  const { rows } = await pool.query({
    text: "SELECT to_regclass($1) IS NOT NULL AS there",
    values: [table],
    types: TYPES,
  });
  if ((rows[0] as { there: boolean }).there) return;
  // IF NOT EXISTS alone fails for one of two servers that start at once. Several statements are one transaction.
  await pool.query({ text: `SELECT pg_advisory_xact_lock(${LOCK});\n${schema(options)}` });
}

async function importPg(): Promise<PgModule> {
  return (await importPeer("pg", () => import("pg"))).default as unknown as PgModule;
}

function isDeadlock(error: unknown): boolean {
  // The second code is what stricter isolation levels answer where the default would have gone on.
  return ["40P01", "40001"].includes(codeOf(error) ?? "");
}

/** True if the server did not want a statement, undid it whole, and goes on. */
function isRefusal(error: unknown): boolean {
  return (error as { cause?: { severity?: string } }).cause?.severity === "ERROR";
}

function codeOf(error: unknown): string | undefined {
  return (error as { code?: string } | null)?.code;
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

function ignore(): void {}
