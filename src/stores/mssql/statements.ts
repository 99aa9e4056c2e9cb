// The Transact-SQL of the store for SQL Server.

import { checkNames } from "../../util/option-names.ts";
import { type Quoting, type TableNames, type TableOptions, tableNames } from "../shared/sql/table.ts";
import { type MssqlOptions, NAMES } from "./options.ts";

export const QUOTING: Quoting = { quote: "[", maxLength: 128 };

/**
 * The statements that create the table and its indexes, for an application that runs its own migrations.
 *
 * @param options the same `table` and `schema` as the store's.
 * @throws OptionError if a name is not valid.
 */
export function schema(options: TableOptions = {}): string {
  checkNames<MssqlOptions>("schema()", options, NAMES);
  const { table, index } = tableNames(options, QUOTING);
  const object = `OBJECT_ID(N'${table.replaceAll("'", "''")}', N'U')`;
  // By its first column: an index that has another name does as well.
  const isMissing = (column: string) => `NOT EXISTS (
  SELECT 1 FROM sys.index_columns AS i JOIN sys.columns AS c ON c.[object_id] = i.[object_id] AND c.[column_id] = i.[column_id]
  WHERE i.[object_id] = ${object} AND i.[key_ordinal] = 1 AND c.[name] = N'${column}'
)`;
  // Binary columns: text would be compared without case, or without trailing spaces.
  return `SET QUOTED_IDENTIFIER ON; -- an index with a condition needs it, and sqlcmd turns it off
SET XACT_ABORT ON; -- an error undoes all
BEGIN TRANSACTION;
IF ${object} IS NULL
  CREATE TABLE ${table} (
    [key] varbinary(255) NOT NULL PRIMARY KEY,
    [version] bigint NOT NULL,
    [expires_at] bigint NOT NULL, -- milliseconds since 1970
    [owner] varbinary(1024) NULL,
    [value] varbinary(max) NOT NULL
  );
IF ${isMissing("expires_at")}
  CREATE INDEX ${index("expires_at")} ON ${table} ([expires_at]);
IF ${isMissing("owner")}
  CREATE INDEX ${index("owner")} ON ${table} ([owner]) WHERE [owner] IS NOT NULL;
COMMIT TRANSACTION;
`;
}

/** The server's time, in milliseconds since 1970. The date has the one form that no language of a login reads differently. */
const NOW = "DATEDIFF_BIG(millisecond, '19700101', SYSUTCDATETIME())";

/** Row counts may be turned off for all connections of a server. The ends of results come with them. */
const WITH_COUNTS = "SET NOCOUNT OFF;";

/** Without the last one, rows can't be skipped where reads are of snapshots by default, as in Azure SQL Database. */
const SKIP_LOCKED = "WITH (ROWLOCK, READPAST, READCOMMITTEDLOCK)";

/** The statements of the store. */
export function createStatements({ table }: TableNames) {
  const entries = `${WITH_COUNTS} SELECT TOP (@limit) [key], [expires_at], [owner] FROM ${table}
       WHERE [key] > @key AND [expires_at] > ${NOW}`;
  const keyList = (keys: number) => Array.from({ length: keys }, (_, index) => `@key${index}`).join(", ");
  // The statements return the rows that they change, and do not rely on counts.
  return {
    read: (keys: number) =>
      `${WITH_COUNTS} SELECT [key], [version], [expires_at], [owner], [value] FROM ${table}
       WHERE [expires_at] > ${NOW} AND [key] IN (${keyList(keys)})`,

    // Replaces a session that has expired and is not swept yet.
    create: `${WITH_COUNTS} DELETE FROM ${table} WHERE [key] = @key AND [expires_at] <= ${NOW};
       INSERT INTO ${table} ([key], [version], [expires_at], [owner], [value])
       VALUES (@key, @version, @expires_at, @owner, @value)`,

    update: `${WITH_COUNTS} UPDATE ${table} SET [version] = [version] + 1, [expires_at] = @expires_at, [owner] = @owner, [value] = @value
       OUTPUT inserted.[version]
       WHERE [key] = @key AND [version] = @version AND [expires_at] > ${NOW}`,

    delete: `${WITH_COUNTS} DELETE FROM ${table} OUTPUT deleted.[version]
       WHERE [key] = @key AND [expires_at] > ${NOW} AND (@version IS NULL OR [version] = @version)`,

    // Leaves out rows that another transaction has locked, so that it never waits and never deadlocks.
    deleteMany: (keys: number) =>
      `${WITH_COUNTS} DELETE FROM ${table} ${SKIP_LOCKED} OUTPUT deleted.[key]
       WHERE [expires_at] > ${NOW} AND [key] IN (${keyList(keys)})`,

    touch: `${WITH_COUNTS} UPDATE ${table} SET [expires_at] = @expires_at OUTPUT inserted.[version]
       WHERE [key] = @key AND [expires_at] > ${NOW}`,

    time: `${WITH_COUNTS} SELECT ${NOW} AS [now]`,

    list: `${entries} ORDER BY [key]`,
    listOwner: `${entries} AND [owner] = @owner ORDER BY [key]`,

    // A sweep ends no session that lives by the server's clock, whatever its caller's says.
    claim: `${WITH_COUNTS} DELETE TOP (@limit) FROM ${table} ${SKIP_LOCKED}
       OUTPUT deleted.[key], deleted.[expires_at], deleted.[owner], deleted.[value]
       WHERE [expires_at] <= @now AND [expires_at] <= ${NOW}`,
  };
}
