// The SQL of the PostgreSQL store.

import { createHash } from "node:crypto";
import { checkNames } from "../../util/option-names.ts";
import type { Write } from "../shared/sql/batch.ts";
import { type Quoting, type TableNames, type TableOptions, tableNames } from "../shared/sql/table.ts";
import { NAMES, type PostgresOptions, type PostgresQuery } from "./options.ts";

/** A name may have 63 bytes; the server would cut off the rest. */
export const QUOTING: Quoting = { quote: '"', maxLength: 63, unit: "bytes" };

const COLUMNS = "key, version, expires_at, owner, value";

/** How to parse the columns, by the OID of their types. The application may have set other parsers in `pg`. */
const PARSERS: Record<number, (text: string) => unknown> = {
  16: (text) => text === "t", // boolean
  17: (text) => Buffer.from(text.slice(2), "hex"), // bytea
  20: Number, // bigint
};
/** The present by the server's clock, in milliseconds since 1970. Within a statement it stands still. */
const NOW = "floor(extract(epoch FROM now()) * 1000)::bigint";

export const TYPES = { getTypeParser: (oid: number) => PARSERS[oid] ?? String };

type StatementName =
  | "read"
  | "readMany"
  | "create"
  | "createMany"
  | "update"
  | "updateMany"
  | "delete"
  | "deleteMany"
  | "touch"
  | "touchMany"
  | "time"
  | "writeNothing"
  | "list"
  | "listOwner"
  | "claim";

/**
 * The statements that create the table and its indexes, for an application that runs its own migrations.
 *
 * @param options the same `table` and `schema` as the store's.
 * @throws OptionError if a name is not valid.
 */
export function schema(options: TableOptions = {}): string {
  checkNames<PostgresOptions>("schema()", options, NAMES);
  const { table, index } = tableNames(options, QUOTING);
  return `CREATE TABLE IF NOT EXISTS ${table} (
  key text COLLATE "C" PRIMARY KEY,
  version bigint NOT NULL,
  expires_at bigint NOT NULL, -- milliseconds since 1970
  owner text COLLATE "C",
  value bytea NOT NULL
);
-- Encrypted bytes do not compress.
ALTER TABLE ${table} ALTER COLUMN value SET STORAGE EXTERNAL;
CREATE INDEX IF NOT EXISTS ${index("expires_at")} ON ${table} (expires_at);
CREATE INDEX IF NOT EXISTS ${index("owner")} ON ${table} (owner, key) WHERE owner IS NOT NULL;
`;
}

/** The channel that announces the changes of a table. */
export function channelOf({ table }: TableNames): string {
  return `coatcheck_${digest(table)}`;
}

/**
 * The statements of the store.
 *
 * @param channel where to announce changes; undefined: nowhere.
 * @param prepare whether the statements have names, so that `pg` prepares them.
 */
export function createStatements(
  { table }: TableNames,
  channel: string | undefined,
  prepare: boolean,
): Record<StatementName, PostgresQuery> {
  const notification = (type: "write" | "delete") =>
    `, pg_notify('${channel}', '${type} ' || ${type === "write" ? "version" : "''"} || ' ' || key)`;
  // A statement that changes rows also announces the changes, in the same round trip.
  const announced = (type: "write" | "delete", change: string, columns?: string) =>
    channel === undefined
      ? change + (columns === undefined ? "" : ` RETURNING ${columns}`)
      : `WITH changed AS (${change} RETURNING ${columns ?? "key, version"}) SELECT *${notification(type)} FROM changed`;
  const entries = `SELECT key, expires_at, owner FROM ${table} WHERE key > $1 AND expires_at > ${NOW}`;
  const newRows = `unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::int[], $6::int[])
         AS new (key, version, expires_at, owner, start, length)`;

  const texts: Record<StatementName, string> = {
    read: `SELECT ${COLUMNS} FROM ${table} WHERE key = $1 AND expires_at > ${NOW}`,
    readMany: `SELECT ${COLUMNS} FROM ${table} WHERE key = ANY ($1::text[]) AND expires_at > ${NOW}`,

    // Replaces a session that has expired and is not swept yet.
    create: announced(
      "write",
      `INSERT INTO ${table} AS old (key, version, expires_at, owner, value) VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (key) DO UPDATE
       SET version = excluded.version, expires_at = excluded.expires_at, owner = excluded.owner, value = excluded.value
       WHERE old.expires_at <= ${NOW}`,
    ),

    // Leaves alone a key that is taken, whether or not its session has expired. The values come concatenated: an array of
    // bytea would be written in hexadecimal.
    createMany: announced(
      "write",
      `INSERT INTO ${table} (key, version, expires_at, owner, value)
       SELECT key, version, expires_at, owner, substring($7::bytea FROM start FOR length)
       FROM ${newRows} ON CONFLICT (key) DO NOTHING`,
      "key, version",
    ),

    // Does not tell a conflict from a session that is gone: that would cost a third of the throughput. The store reads the
    // row of the rare update that is refused.
    update: announced(
      "write",
      `UPDATE ${table} SET version = version + 1, expires_at = $3, owner = $4, value = $5
       WHERE key = $1 AND version = $2 AND expires_at > ${NOW}`,
    ),

    // Skips locked rows, so that a batch never waits and never deadlocks. To find the rows by ctid costs half as much as to
    // join them by key. The subtraction keeps the planner from the index on expires_at, which would read all rows.
    updateMany: announced(
      "write",
      `UPDATE ${table} AS old
       SET version = old.version + 1, expires_at = new.expires_at, owner = new.owner,
         value = substring($7::bytea FROM new.start FOR new.length)
       FROM ${newRows}
       WHERE old.ctid = ANY (ARRAY (SELECT ctid FROM ${table} WHERE key = ANY ($1::text[]) FOR UPDATE SKIP LOCKED))
         AND old.key = new.key AND old.version = new.version AND old.expires_at - ${NOW} > 0`,
      "old.key, old.version",
    ),

    delete: announced(
      "delete",
      `DELETE FROM ${table} WHERE key = $1 AND expires_at > ${NOW} AND ($2::bigint IS NULL OR version = $2)`,
    ),

    // Skips locked rows, and finds the others by ctid, for the same reasons.
    deleteMany: announced(
      "delete",
      `DELETE FROM ${table}
       WHERE ctid = ANY (ARRAY (SELECT ctid FROM ${table} WHERE key = ANY ($1::text[]) FOR UPDATE SKIP LOCKED))
         AND expires_at - ${NOW} > 0`,
      "key",
    ),

    touch: `UPDATE ${table} SET expires_at = $2 WHERE key = $1 AND expires_at > ${NOW}`,

    // Skips locked rows, and finds the others by ctid, for the same reasons.
    touchMany: `UPDATE ${table} AS old SET expires_at = new.expires_at
      FROM unnest($1::text[], $2::bigint[]) AS new (key, expires_at)
      WHERE old.ctid = ANY (ARRAY (SELECT ctid FROM ${table} WHERE key = ANY ($1::text[]) FOR UPDATE SKIP LOCKED))
        AND old.key = new.key AND old.expires_at - ${NOW} > 0
      RETURNING old.key`,

    time: `SELECT ${NOW} AS time`,

    // A server that takes no writes refuses it.
    writeNothing: `DELETE FROM ${table} WHERE false`,

    list: `${entries} ORDER BY key LIMIT $2`,
    listOwner: `${entries} AND owner = $3 ORDER BY key LIMIT $2`,

    // Skips rows that another server is sweeping. ARRAY makes sure that the subquery runs once.
    claim: announced(
      "delete",
      `DELETE FROM ${table} WHERE key = ANY (ARRAY (
         SELECT key FROM ${table} WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED))`,
      "key, expires_at, owner, value",
    ),
  };
  const queries = Object.entries(texts).map(([name, text]) => {
    // A connection may serve stores with other tables, and has one text for each name.
    return [name, { text, types: TYPES, ...(prepare && { name: `coatcheck_${name}_${digest(text)}` }) }];
  });
  return Object.fromEntries(queries);
}

/** The parameters `$3` to `$7` of `createMany` and `updateMany`. */
export function columnsOf(writes: Write[]): unknown[] {
  const values = writes.map(({ session }) => session.value);
  // `substring` counts from 1.
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

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
