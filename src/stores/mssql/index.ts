// The store for Azure SQL Database and SQL Server.

import { OptionError } from "../../errors.ts";
import type { SessionStore, Version } from "../../store.ts";
import { milliseconds } from "../../util/duration.ts";
import { checkNames } from "../../util/option-names.ts";
import { batchedDelete, batchedRead } from "../shared/sql/batch.ts";
import {
  assertFits,
  firstVersion,
  listPages,
  PAGE_SIZE,
  padList,
  type Row,
  toBuffer,
  toClaimed,
  toSession,
} from "../shared/sql/rows.ts";
import { tableNames } from "../shared/sql/table.ts";
import { createDatabase } from "./database.ts";
import { isDuplicateKey, isRefusal } from "./errors.ts";
import { HINTS, type MssqlOptions, NAMES } from "./options.ts";
import { createStatements, QUOTING, schema } from "./statements.ts";

export type { MssqlConnection, MssqlOptions, MssqlPool, MssqlRequest } from "./options.ts";
export { schema };

/**
 * Keeps sessions in Azure SQL Database, or SQL Server 2016 or later, with the package `mssql`. It connects on first use.
 *
 * @throws OptionError if an option is wrong, or unless there is exactly one way to the database.
 */
export function mssql(options: MssqlOptions): SessionStore {
  checkNames("mssql()", options, NAMES, HINTS);
  const { connectionString, server, credential, connection, pool } = options;
  if ((pool === undefined) === ((connectionString ?? server ?? connection) === undefined)) {
    throw new OptionError("server", server, 'give "connectionString" or "server", or instead of them a "pool".');
  }
  if (credential !== undefined && connectionString === undefined && server === undefined) {
    throw new OptionError("credential", credential, 'give the "server" and "database" that it is for.');
  }
  const timeout = milliseconds("timeout", options.timeout ?? "15s");
  const names = tableNames(options, QUOTING);
  const sql = createStatements(names);
  const { run, inTime, close } = createDatabase(options, names, timeout);

  const readRow = batchedRead((keys) => {
    const padded = padList(keys).map((key, index) => [`key${index}`, bytes(key)]);
    return run("read", sql.read(padded.length), Object.fromEntries(padded));
  });

  const deleteRow = batchedDelete({
    isRefusal,
    deleteOne: (key) => deleteVersion(key, null),
    async deleteMany(keys) {
      const padded = padList(keys).map((key, index) => [`key${index}`, bytes(key)]);
      const deleted = await run("delete", sql.deleteMany(padded.length), Object.fromEntries(padded));
      return deleted.map(({ key }) => String(key));
    },
    exists: async (key) => (await readRow(key)) !== undefined,
  });

  async function deleteVersion(key: string, version: Version | null): Promise<boolean> {
    return (await run("delete", sql.delete, { key: bytes(key), version })).length > 0;
  }

  /** Waiting for other calls counts for the time limit, too. */
  function find(operation: string, key: string): Promise<Row | undefined> {
    return inTime(operation, readRow(key));
  }

  return {
    name: "mssql",

    async read(key) {
      const row = await find("read", key);
      return row && toSession(row);
    },

    async create(key, { value, expiresAt, owner }) {
      assertFits(key, owner);
      const version = firstVersion();
      const values = { version, expires_at: expiresAt, owner: bytes(owner), value: toBuffer(value) };
      try {
        await run("create", sql.create, { key: bytes(key), ...values });
        return version;
      } catch (error) {
        if (isDuplicateKey(error)) return "exists";
        throw error;
      }
    },

    async update(key, { value, expiresAt, owner }, ifVersion) {
      assertFits(key, owner);
      const values = { version: ifVersion, expires_at: expiresAt, owner: bytes(owner), value: toBuffer(value) };
      const changed = await run("update", sql.update, { key: bytes(key), ...values });
      if (changed.length > 0) return Number(ifVersion) + 1;
      return (await find("update", key)) ? "conflict" : "gone";
    },

    delete: (key, ifVersion) =>
      ifVersion === undefined ? inTime("delete", deleteRow(key)) : deleteVersion(key, ifVersion),

    async touch(key, expiresAt) {
      return (await run("touch", sql.touch, { key: bytes(key), expires_at: expiresAt })).length > 0;
    },

    async time() {
      const [row] = (await run("give its time", sql.time)) as unknown as [{ now: string }];
      return Number(row.now);
    },

    close,

    list({ owner }) {
      return listPages((after) => {
        const values = { key: bytes(after), limit: PAGE_SIZE };
        return owner === undefined
          ? run("list", sql.list, values)
          : run("list", sql.listOwner, { ...values, owner: bytes(owner) });
      });
    },

    async claimExpired(now, limit) {
      return toClaimed(await run("claimExpired", sql.claim, { now: Math.floor(now), limit }));
    },
  };
}

function bytes(text: string | undefined): Buffer | null {
  return text === undefined ? null : Buffer.from(text);
}
