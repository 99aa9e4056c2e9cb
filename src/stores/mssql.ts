import { type Duration, milliseconds } from "../duration.ts";
import { OptionError } from "../errors.ts";
import type { SessionStore } from "../store.ts";
import { importPeer } from "./peer.ts";
import { batchedRead } from "./sql/batch.ts";
import { despiteDeadlock, onFirstUse, storeError } from "./sql/client.ts";
import { type AzureCredential, authentication } from "./sql/entra.ts";
import { binary, claimed, firstVersion, mustFit, PAGE, padToFewLengths, pages, type Row, stored } from "./sql/rows.ts";
import { type Names, type Quoting, type TableOptions, tableNames } from "./sql/table.ts";

export interface MssqlOptions extends TableOptions {
  /**
   * The database in ADO.NET's form, as in `"Server=tcp:x.database.windows.net;Database=y;User Id=…;Password=…"`, or with
   * `Authentication=Active Directory Default` for Entra ID.
   */
  connectionString?: string;
  /** The server's name, as in `"x.database.windows.net"`: for Entra ID, with `database`. */
  server?: string;
  /** The database's name. */
  database?: string;
  /**
   * Who to be for Entra ID: a credential of `@azure/identity`. Default, with `server`: `DefaultAzureCredential`, which is
   * the managed identity on Azure and your login at your desk.
   */
  credential?: AzureCredential;
  /** Further options of `mssql`'s `ConnectionPool`, such as `{ pool: { max: 20 } }`. `pool.max` is 10 by default. */
  connection?: Record<string, unknown>;
  /** A `ConnectionPool` of `mssql` to use instead, which stays yours to close. */
  pool?: MssqlPool;
  /** Creates the table and its indexes on first use if they are missing. Default: false; see `schema`. */
  createTable?: boolean;
  /** How long a statement may take, and making a connection. Not for a `pool` of yours. Default: `"15s"`. */
  timeout?: Duration;
}

/** What is needed of a `ConnectionPool`. */
export interface MssqlPool {
  connect(): Promise<unknown>;
  close(): Promise<unknown>;
  request(): MssqlRequest;
  on(event: "error", listener: (error: Error) => void): unknown;
  off(event: "error", listener: (error: Error) => void): unknown;
}

export interface MssqlRequest {
  input(name: string, type: unknown, value: unknown): unknown;
  query(sql: string): Promise<{ recordset?: unknown[]; rowsAffected: number[] }>;
}

/** What is needed of the package. */
interface Mssql {
  ConnectionPool: {
    new (config: object): MssqlPool;
    parseConnectionString(text: string): object;
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

const QUOTING: Quoting = { quote: "[", longest: 128 };

/**
 * Keeps sessions in Azure SQL Database, or SQL Server 2016 or later, with the package `mssql`. Connects on first use.
 *
 * @throws OptionError if a name can't be one, or unless exactly one way to the database is given, and one to sign in.
 */
export function mssql(options: MssqlOptions): SessionStore {
  const { connectionString, server, database, credential, connection, pool: given, createTable = false } = options;
  if ((given === undefined) === ((connectionString ?? server ?? connection) === undefined)) {
    throw new OptionError("server", server, 'give "connectionString" or "server", or instead of them a "pool".');
  }
  if (credential !== undefined && connectionString === undefined && server === undefined) {
    throw new OptionError("credential", credential, 'give the "server" and "database" that it is for.');
  }
  const signIn = authentication(options);
  const timeout = milliseconds("timeout", options.timeout ?? "15s");
  const names = tableNames(options, QUOTING);
  const sql = statements(names);

  const client = onFirstUse<Client>(
    async () => {
      const types = (await importPeer("mssql", () => import("mssql"))).default as unknown as Mssql;
      const pool = given ?? new types.ConnectionPool(config(types));
      // A connection that breaks while nobody uses it leaves the pool; unheard, the event would end the process.
      pool.on("error", ignore);
      await pool.connect();
      if (createTable) await create(pool, options);
      return { pool, types };
    },
    ({ pool }) => (given === undefined ? pool.close() : pool.off("error", ignore)),
  );

  function config({ ConnectionPool }: Mssql): object {
    return {
      connectionTimeout: timeout,
      requestTimeout: timeout,
      ...(connectionString !== undefined && ConnectionPool.parseConnectionString(connectionString)),
      ...(server !== undefined && { server, database }),
      ...(signIn !== undefined && { authentication: signIn }),
      ...connection,
    };
  }

  async function run(text: string, values: Record<string, unknown>): Promise<{ rows: Row[]; count: number }> {
    try {
      const { pool, types } = await client();
      const { recordset, rowsAffected } = await despiteDeadlock(
        (error) => numberOf(error) === DEADLOCK,
        () => {
          const request = pool.request();
          // Types that are always the same: the server keeps the plan of a statement by its text and types.
          for (const [name, value] of Object.entries(values)) request.input(name, typeOf(name, types), value);
          return request.query(text);
        },
      );
      return { rows: (recordset ?? []) as Row[], count: rowsAffected.at(-1) ?? 0 };
    } catch (error) {
      throw storeError("mssql", error, numberOf(error) === NO_SUCH_TABLE, names.plain);
    }
  }

  const read = batchedRead(async (keys) => {
    const padded = padToFewLengths(keys).map((key, index) => [`key${index}`, bytes(key)]);
    return (await run(sql.read(padded.length), { now: Date.now(), ...Object.fromEntries(padded) })).rows;
  });

  return {
    async read(key) {
      const row = await read(key);
      return row && stored(row);
    },

    async create(key, { value, expiresAt, owner }) {
      mustFit(key, owner);
      const version = firstVersion();
      const values = { version, expires_at: expiresAt, owner: bytes(owner), value: binary(value) };
      try {
        await run(sql.create, { key: bytes(key), ...values, now: Date.now() });
        return version;
      } catch (error) {
        if (DUPLICATE_KEY.includes(numberOf(error)!)) return "exists";
        throw error;
      }
    },

    async update(key, { value, expiresAt, owner }, ifVersion) {
      mustFit(key, owner);
      const values = { version: ifVersion, expires_at: expiresAt, owner: bytes(owner), value: binary(value) };
      const { count } = await run(sql.update, { key: bytes(key), ...values, now: Date.now() });
      if (count === 1) return Number(ifVersion) + 1;
      return (await read(key)) ? "conflict" : "gone";
    },

    async delete(key, ifVersion) {
      const values = { key: bytes(key), version: ifVersion ?? null, now: Date.now() };
      return (await run(sql.delete, values)).count === 1;
    },

    async touch(key, expiresAt) {
      return (await run(sql.touch, { key: bytes(key), expires_at: expiresAt, now: Date.now() })).count === 1;
    },

    close: client.close,

    list({ owner }) {
      return pages(async (after) => {
        const values = { key: bytes(after), now: Date.now(), limit: PAGE };
        const owned = { ...values, owner: bytes(owner) };
        return (await (owner === undefined ? run(sql.list, values) : run(sql.listOwner, owned))).rows;
      });
    },

    async claimExpired(now, limit) {
      return claimed((await run(sql.claim, { now, limit })).rows);
    },
  };
}

/** The statements that make the table, for people who run migrations. Takes the same names as the store. */
export function schema(options: TableOptions = {}): string {
  const { table, index } = tableNames(options, QUOTING);
  // Binary columns: texts would compare without case, or without spaces at the end.
  return `IF OBJECT_ID(N'${table.replaceAll("'", "''")}', N'U') IS NULL
BEGIN
  CREATE TABLE ${table} (
    [key] varbinary(255) NOT NULL PRIMARY KEY,
    [version] bigint NOT NULL,
    [expires_at] bigint NOT NULL, -- milliseconds since 1970
    [owner] varbinary(1024) NULL,
    [value] varbinary(max) NOT NULL
  );
  CREATE INDEX ${index("expires_at")} ON ${table} ([expires_at]);
  CREATE INDEX ${index("owner")} ON ${table} ([owner]) WHERE [owner] IS NOT NULL;
END;
`;
}

function statements({ table }: Names) {
  const entries = `SELECT TOP (@limit) [key], [expires_at], [owner] FROM ${table} WHERE [key] > @key AND [expires_at] > @now`;
  return {
    read: (keys: number) =>
      `SELECT [key], [version], [expires_at], [owner], [value] FROM ${table}
       WHERE [expires_at] > @now AND [key] IN (${Array.from({ length: keys }, (_, index) => `@key${index}`).join(", ")})`,

    // An expired session that nobody has swept yet makes room.
    create: `DELETE FROM ${table} WHERE [key] = @key AND [expires_at] <= @now;
       INSERT INTO ${table} ([key], [version], [expires_at], [owner], [value])
       VALUES (@key, @version, @expires_at, @owner, @value)`,

    update: `UPDATE ${table} SET [version] = [version] + 1, [expires_at] = @expires_at, [owner] = @owner, [value] = @value
       WHERE [key] = @key AND [version] = @version AND [expires_at] > @now`,

    delete: `DELETE FROM ${table} WHERE [key] = @key AND [expires_at] > @now AND (@version IS NULL OR [version] = @version)`,

    touch: `UPDATE ${table} SET [expires_at] = @expires_at WHERE [key] = @key AND [expires_at] > @now`,

    list: `${entries} ORDER BY [key]`,
    listOwner: `${entries} AND [owner] = @owner ORDER BY [key]`,

    // Rows that another server is sweeping are skipped.
    claim: `DELETE TOP (@limit) FROM ${table} WITH (ROWLOCK, READPAST)
       OUTPUT deleted.[key], deleted.[expires_at], deleted.[owner], deleted.[value]
       WHERE [expires_at] <= @now`,
  };
}

async function create(pool: MssqlPool, options: TableOptions): Promise<void> {
  await pool
    .request()
    .query(schema(options))
    .catch((error) => {
      // Another server that starts was faster.
      if (numberOf(error) !== ALREADY_THERE) throw error;
    });
}

function typeOf(name: string, types: Mssql): unknown {
  if (name.startsWith("key")) return types.VarBinary(255);
  if (name === "owner") return types.VarBinary(1024);
  if (name === "value") return types.VarBinary(types.MAX);
  return name === "limit" ? types.Int : types.BigInt;
}

function bytes(text: string | undefined): Buffer | null {
  return text === undefined ? null : Buffer.from(text);
}

const DEADLOCK = 1205;
const DUPLICATE_KEY = [2601, 2627];
const NO_SUCH_TABLE = 208;
const ALREADY_THERE = 2714;

/** The server's number of an error, also behind the store's own. */
function numberOf(error: unknown): number | undefined {
  const { number, cause } = (error ?? {}) as { number?: number; cause?: { number?: number } };
  return number ?? cause?.number;
}

function ignore(): void {}
