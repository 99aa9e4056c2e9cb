// The SQL of the MySQL store.

import { checkNames } from "../../util/option-names.ts";
import { PAGE_SIZE } from "../shared/sql/rows.ts";
import { type Quoting, type TableNames, type TableOptions, tableNames } from "../shared/sql/table.ts";
import { type MysqlOptions, NAMES } from "./options.ts";

export const QUOTING: Quoting = { quote: "`", maxLength: 64 };

/** The present by the server's clock, in milliseconds since 1970. Within a statement it stands still. */
const NOW = "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) DIV 1000)";

/**
 * The statement that creates the table, for an application that runs its own migrations.
 *
 * @param options the same `table` and `schema` as the store's.
 * @throws OptionError if a name is not valid.
 */
export function schema(options: TableOptions = {}): string {
  checkNames<MysqlOptions>("schema()", options, NAMES);
  const { table } = tableNames(options, QUOTING);
  // Binary columns: text would be compared without case, or without trailing spaces.
  return `CREATE TABLE IF NOT EXISTS ${table} (
  \`key\` varbinary(255) NOT NULL PRIMARY KEY,
  version bigint NOT NULL,
  expires_at bigint NOT NULL COMMENT 'milliseconds since 1970',
  owner varbinary(1024),
  value longblob NOT NULL,
  INDEX expires_at (expires_at),
  INDEX owner (owner)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;
`;
}

/** The statements of the store. */
export function createStatements({ table }: TableNames) {
  const entries = `SELECT \`key\`, expires_at, owner FROM ${table} WHERE \`key\` > ? AND expires_at > ${NOW}`;

  function insert(rows: number): string {
    return `INSERT INTO ${table} (\`key\`, version, expires_at, owner, value) VALUES ${list("(?, ?, ?, ?, ?)", rows)}`;
  }

  return {
    read: (keys: number) =>
      `SELECT \`key\`, version, expires_at, owner, value FROM ${table}
       WHERE expires_at > ${NOW} AND \`key\` IN (${list("?", keys)})`,

    create: insert,

    replaceExpired: `UPDATE ${table} SET version = ?, expires_at = ?, owner = ?, value = ?
       WHERE \`key\` = ? AND expires_at <= ${NOW}`,

    update: `UPDATE ${table} SET version = version + 1, expires_at = ?, owner = ?, value = ?
       WHERE \`key\` = ? AND version = ? AND expires_at > ${NOW}`,

    lockMany: (keys: number) =>
      `SELECT \`key\`, version FROM ${table} FORCE INDEX (PRIMARY)
       WHERE expires_at > ${NOW} AND \`key\` IN (${list("?", keys)}) FOR UPDATE SKIP LOCKED`,

    // For rows that the transaction has locked, so none is inserted.
    updateMany: (rows: number) =>
      `${insert(rows)} ON DUPLICATE KEY UPDATE version = VALUES(version), expires_at = VALUES(expires_at),
         owner = VALUES(owner), value = VALUES(value)`,

    delete: `DELETE FROM ${table} WHERE \`key\` = ? AND expires_at > ${NOW}`,
    deleteVersion: `DELETE FROM ${table} WHERE \`key\` = ? AND expires_at > ${NOW} AND version = ?`,

    touch: `UPDATE ${table} SET expires_at = ? WHERE \`key\` = ? AND expires_at > ${NOW}`,

    time: `SELECT ${NOW} AS time`,

    maxPacket: "SELECT @@max_allowed_packet AS bytes",

    readNothing: `SELECT 1 FROM ${table} LIMIT 0`,
    // A server that takes no writes refuses it.
    writeNothing: `DELETE FROM ${table} WHERE 1 = 0`,

    list: `${entries} ORDER BY \`key\` LIMIT ${PAGE_SIZE}`,
    listOwner: `${entries} AND owner = ? ORDER BY \`key\` LIMIT ${PAGE_SIZE}`,

    // Skips rows that another server is sweeping.
    lockExpired: (limit: number) =>
      `SELECT \`key\`, expires_at, owner, value FROM ${table}
       WHERE expires_at <= ? ORDER BY expires_at LIMIT ${limit} FOR UPDATE SKIP LOCKED`,

    // A join: with IN, the server scans a small table, and waits for rows that others have locked.
    deleteMany: (keys: number) =>
      `DELETE expired FROM (${Array(keys).fill("SELECT CAST(? AS BINARY) AS name").join(" UNION ALL ")}) AS found
       STRAIGHT_JOIN ${table} AS expired FORCE INDEX (PRIMARY) ON expired.\`key\` = found.name`,
  };
}

function list(item: string, count: number): string {
  return Array(count).fill(item).join(", ");
}
