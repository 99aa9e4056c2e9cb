// The SQL of the SQLite store.

import { checkNames } from "../../util/option-names.ts";
import { NOW, QUOTING, sessionStatements, tableStatements } from "../shared/sql/sqlite-dialect.ts";
import { type TableNames, type TableOptions, tableNames } from "../shared/sql/table.ts";
import type { SqliteDatabase } from "./database.ts";
import { NAMES, type SqliteOptions } from "./options.ts";

export { NOW, QUOTING };

/** A parameter for a value. Node 22 binds an empty one as NULL. */
const VALUE = "coalesce(?, x'')";

/**
 * The statements that create the table and its indexes, for an application that runs its own migrations.
 *
 * @param options the same `table` as the store's.
 * @throws OptionError if the name is not valid.
 */
export function schema(options: Pick<TableOptions, "table"> = {}): string {
  checkNames<SqliteOptions>("schema()", options, NAMES);
  return tableStatements(tableNames(options, QUOTING), "BLOB")
    .map((statement) => `${statement};\n`)
    .join("");
}

export type Statements = ReturnType<typeof prepareStatements>;

/** Prepares all statements of the store. */
export function prepareStatements(database: SqliteDatabase, { table }: TableNames) {
  const texts = sessionStatements(table, { value: VALUE });
  return {
    read: database.prepare(texts.read),

    // Returns a row if the session has changed or expired. Usually there is none, which saves 0.6 µs: Node makes an object for
    // a row.
    changed: database.prepare(
      `SELECT 1 AS changed
       WHERE NOT EXISTS (
         SELECT 1 FROM ${table} WHERE key = ? AND version = ? AND expires_at = ? AND expires_at > ${NOW})`,
    ),

    create: database.prepare(texts.create),
    update: database.prepare(texts.update),
    delete: database.prepare(texts.delete),
    touch: database.prepare(texts.touch),
    time: database.prepare(texts.time),
    list: database.prepare(texts.list),
    listOwner: database.prepare(texts.listOwner),
    claim: database.prepare(texts.claim),

    begin: database.prepare("BEGIN IMMEDIATE"),
    commit: database.prepare("COMMIT"),
    rollback: database.prepare("ROLLBACK"),
  };
}
