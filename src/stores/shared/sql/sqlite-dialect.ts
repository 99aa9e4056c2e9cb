// The table and the statements of SQLite, wherever it runs: in Node, in D1, or in a Durable Object.

import type { Quoting, TableNames } from "./table.ts";

export const QUOTING: Quoting = { quote: '"', maxLength: 128 };

/** The present by SQLite's clock, in milliseconds since 1970. Within a statement it stands still. */
export const NOW = "CAST(unixepoch('subsec') * 1000 AS INTEGER)";

/** The statements that create the table and its indexes. `valueType`: how the database's client takes bytes. */
export function tableStatements({ table, index }: TableNames, valueType: "BLOB" | "TEXT"): string[] {
  return [
    `CREATE TABLE IF NOT EXISTS ${table} (
  key TEXT NOT NULL PRIMARY KEY,
  version INTEGER NOT NULL,
  expires_at INTEGER NOT NULL, -- milliseconds since 1970
  owner TEXT,
  value ${valueType} NOT NULL
) STRICT`,
    `CREATE INDEX IF NOT EXISTS ${index("expires_at")} ON ${table} (expires_at)`,
    `CREATE INDEX IF NOT EXISTS ${index("owner")} ON ${table} (owner, key) WHERE owner IS NOT NULL`,
  ];
}

/**
 * The statements for one session, and for many. With `answers`, a write returns a row if it was applied, for clients that
 * do not count changes. `value` is the parameter of a value.
 */
export function sessionStatements(table: string, { value = "?", answers = false } = {}) {
  const answer = answers ? " RETURNING 1 AS done" : "";
  const entries = `SELECT key, expires_at, owner FROM ${table} WHERE key > ? AND expires_at > ${NOW}`;
  return {
    /** key */
    read: `SELECT key, version, expires_at, owner, value FROM ${table} WHERE key = ? AND expires_at > ${NOW}`,

    /** key, version, expires_at, owner, value. Replaces a session that has expired and is not swept yet. */
    create: `INSERT INTO ${table} AS old (key, version, expires_at, owner, value) VALUES (?, ?, ?, ?, ${value})
       ON CONFLICT (key) DO UPDATE
       SET version = excluded.version, expires_at = excluded.expires_at, owner = excluded.owner, value = excluded.value
       WHERE old.expires_at <= ${NOW}${answer}`,

    /** expires_at, owner, value, key, version */
    update: `UPDATE ${table} SET version = version + 1, expires_at = ?, owner = ?, value = ${value}
       WHERE key = ? AND version = ? AND expires_at > ${NOW}${answer}`,

    /** key, version or null */
    delete: `DELETE FROM ${table} WHERE key = ? AND expires_at > ${NOW} AND version = coalesce(?, version)${answer}`,

    /** expires_at, key */
    touch: `UPDATE ${table} SET expires_at = ? WHERE key = ? AND expires_at > ${NOW}${answer}`,

    time: `SELECT ${NOW} AS time`,

    /** after, limit */
    list: `${entries} ORDER BY key LIMIT ?`,
    /** after, owner, limit */
    listOwner: `${entries} AND owner = ? ORDER BY key LIMIT ?`,

    /** now, limit */
    claim: `DELETE FROM ${table} WHERE key IN (SELECT key FROM ${table} WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)
       RETURNING key, expires_at, owner, value`,
  };
}
