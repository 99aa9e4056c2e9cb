// The D1 store: sessions in a database of Cloudflare D1.

import { OptionError, toStoreError } from "../../errors.ts";
import { collectClaimed, type SessionStore, type SessionWrite } from "../../store.ts";
import { checkNames } from "../../util/option-names.ts";
import { missingTable } from "../shared/sql/errors.ts";
import { assertFits, firstVersion, listPages, PAGE_SIZE, type Row, toClaimed, toSession } from "../shared/sql/rows.ts";
import { QUOTING, sessionStatements, tableStatements } from "../shared/sql/sqlite-dialect.ts";
import { type TableOptions, tableNames } from "../shared/sql/table.ts";
import { valueTooLarge } from "../shared/value-too-large.ts";
import { rowsOf } from "./database.ts";
import { type D1Options, NAMES } from "./options.ts";

export type { D1Like, D1StatementLike } from "./database.ts";
export type { D1Options } from "./options.ts";

/** D1 takes rows of 2,000,000 bytes. Base64 makes four characters of three bytes; key and owner take the rest. */
const MAX_VALUE_BYTES = 1_495_000;

/** A sweep deletes this many sessions with one statement. All of their values are in one answer. */
const CLAIMED_TOGETHER = 20;

/** A row with its value in base64: D1's client would make an array of numbers of a BLOB. */
type TextRow = Omit<Row, "value"> & { value: string };

/**
 * Keeps sessions in a table of a D1 database, for applications on Cloudflare Workers.
 *
 * @see https://developers.cloudflare.com/d1/
 * @throws OptionError if the option `database` is missing, or another one is wrong.
 */
export function d1(options: D1Options): SessionStore {
  checkNames("d1()", options, NAMES);
  const { database, createTable = false } = options;
  if (typeof database?.prepare !== "function" || typeof database.batch !== "function") {
    throw new OptionError("database", database, "give the binding of a D1 database, such as env.DB.");
  }
  const table = options.table === undefined ? {} : { table: options.table };
  const names = tableNames(table, QUOTING);
  const sql = sessionStatements(names.table, { answers: true });
  let hasTable = !createTable;

  async function run<Result>(operation: string, text: string, values: readonly unknown[]): Promise<Result[]> {
    try {
      if (!hasTable) {
        // Not shared with other requests: one of them may be cancelled, and its promises with it.
        await database.batch(statementsOf(table).map((statement) => database.prepare(statement)) as never[]);
        hasTable = true;
      }
      return await rowsOf<Result>(database, text, values);
    } catch (error) {
      const isMissing = /no such table/.test(String((error as Error)?.message));
      throw toStoreError("D1", operation, error, isMissing ? missingTable(names.label) : undefined);
    }
  }

  async function read(key: string): Promise<Row | undefined> {
    const [row] = await run<TextRow>("read", sql.read, [key]);
    return row && withBytes(row);
  }

  async function isDone(operation: string, text: string, values: readonly unknown[]): Promise<boolean> {
    return (await run(operation, text, values)).length === 1;
  }

  return {
    name: "d1",

    async read(key) {
      const row = await read(key);
      return row && toSession(row);
    },

    async create(key, session) {
      const version = firstVersion();
      const values = [key, version, session.expiresAt, session.owner ?? null, textOf(key, session)];
      return (await isDone("create", sql.create, values)) ? version : "exists";
    },

    async update(key, session, ifVersion) {
      const values = [session.expiresAt, session.owner ?? null, textOf(key, session), key, ifVersion];
      if (await isDone("update", sql.update, values)) return Number(ifVersion) + 1;
      return (await read(key)) ? "conflict" : "gone";
    },

    delete: (key, ifVersion) => isDone("delete", sql.delete, [key, ifVersion ?? null]),

    touch: (key, expiresAt) => isDone("touch", sql.touch, [expiresAt, key]),

    async time() {
      const [row] = await run<{ time: number }>("give its time", sql.time, []);
      return row!.time;
    },

    async close() {},

    list: ({ owner }) =>
      listPages((after) =>
        owner === undefined
          ? run<Row>("list", sql.list, [after, PAGE_SIZE])
          : run<Row>("list", sql.listOwner, [after, owner, PAGE_SIZE]),
      ),

    claimExpired: (now, limit) =>
      collectClaimed(async (claimed) => {
        for (let left = limit, isLast = false; left > 0 && !isLast; ) {
          const wanted = Math.min(CLAIMED_TOGETHER, left);
          const rows = await run<TextRow>("claimExpired", sql.claim, [now, wanted]);
          claimed.push(...toClaimed(rows.map(withBytes)));
          left -= rows.length;
          isLast = rows.length < wanted;
        }
      }),
  };
}

/**
 * The statements that create the table and its indexes, for a migration of D1.
 *
 * @param options the same `table` as the store's.
 * @throws OptionError if the name is not valid.
 */
export function schema(options: Pick<TableOptions, "table"> = {}): string {
  checkNames<Omit<D1Options, "database">>("schema()", options, { table: true, createTable: "boolean" });
  return statementsOf(options)
    .map((statement) => `${statement};\n`)
    .join("");
}

function statementsOf(options: Pick<TableOptions, "table">): string[] {
  return tableStatements(tableNames(options, QUOTING), "TEXT");
}

function textOf(key: string, { value, owner }: SessionWrite): string {
  assertFits(key, owner);
  if (value.length > MAX_VALUE_BYTES) throw valueTooLarge("a row of D1", MAX_VALUE_BYTES, value.length);
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64");
}

function withBytes<Columns extends { value: string }>(row: Columns): Omit<Columns, "value"> & { value: Uint8Array } {
  return { ...row, value: Buffer.from(row.value, "base64") };
}
