// Whether a PostgreSQL server and the table of the sessions are set up well.

import { checkPooler, type PostgresClient } from "./check-pooler.ts";
import { type Finding, ok, problem, warning } from "./finding.ts";
import { isLoopback } from "./hosts.ts";

const UNSWEPT_MS = 600_000;
const MANY_UNSWEPT = 1_000;
const MANY_DEAD = 10_000;

export interface PostgresTarget {
  table?: string;
  schema?: string;
  prepare?: boolean;
  notify?: boolean;
}

export async function checkPostgres(url: string, target: PostgresTarget): Promise<Finding[]> {
  const { table = "coatcheck_sessions", schema } = target;
  const pg = (await import("pg")) as unknown as { default: { Client: new (options: object) => PostgresClient } };
  const clients = [1, 2].map(() => new pg.default.Client({ connectionString: url })) as [
    PostgresClient,
    PostgresClient,
  ];
  for (const one of clients) one.on("error", () => {});
  const [client] = clients;
  try {
    await Promise.all(clients.map((one) => one.connect()));
    const name = schema === undefined ? table : `${schema}.${table}`;
    const one = async (sql: string, values?: unknown[]) => (await client.query(sql, values)).rows[0] ?? {};
    const { oid } = await one("SELECT to_regclass($1)::oid AS oid", [quoted(table, schema)]);
    if (oid === null) return [missingTable(name)];
    const findings: Finding[] = [ok("postgres-table", `the table ${name} is there`)];
    const { rows: indexes } = await client.query(
      "SELECT a.attname AS first FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] WHERE i.indrelid = $1 AND i.indisvalid",
      [oid],
    );
    for (const column of ["key", "expires_at", "owner"]) {
      if (!indexes.some(({ first }) => first === column)) findings.push(missingIndex("postgres", name, column));
    }
    const { recovery, readonly, now } = await one(
      "SELECT pg_is_in_recovery() AS recovery, current_setting('transaction_read_only') AS readonly, extract(epoch FROM clock_timestamp()) * 1000 AS now",
    );
    if (recovery || readonly === "on") {
      findings.push(
        problem(
          "postgres-read-only",
          "the server refuses writes",
          "It is a replica, or set to read only: nobody can log in.",
          "Give the address of the primary.",
        ),
      );
    }
    const { expired } = await one(
      `SELECT count(*)::int AS expired FROM ${quoted(table, schema)} WHERE expires_at < $1`,
      [Math.floor(Number(now)) - UNSWEPT_MS],
    );
    if (Number(expired) > MANY_UNSWEPT) findings.push(unswept("postgres", Number(expired)));
    const { dead, live } = await one(
      "SELECT n_dead_tup::int AS dead, n_live_tup::int AS live FROM pg_stat_user_tables WHERE relid = $1",
      [oid],
    );
    if (Number(dead) > MANY_DEAD && Number(dead) > Number(live)) {
      findings.push(
        warning(
          "postgres-bloat",
          `${dead} dead rows lie beside ${live} live ones`,
          "The table is larger than it has to be, and slower.",
          `VACUUM (ANALYZE) ${name}; and ALTER TABLE ${name} SET (autovacuum_vacuum_scale_factor = 0.05);`,
        ),
      );
    }
    if (!isLoopback(new URL(url).hostname)) {
      const { ssl } = await one("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
      if (!ssl) {
        findings.push(
          warning(
            "postgres-tls",
            "the connection has no TLS",
            "The password, and when which session is used, can be read on the way.",
            "Add ?sslmode=verify-full to the address.",
          ),
        );
      }
    }
    findings.push(...(await checkPooler(...clients, target)));
    return findings;
  } finally {
    await Promise.allSettled(clients.map((one) => one.end()));
  }
}

export function missingTable(name: string): Finding {
  return problem(
    "table",
    `there is no table ${name}`,
    "No session can be stored: requests are answered 503.",
    "npx coatcheck schema --database … prints the statements; or set createTable: true.",
  );
}

/** What each index is for, by its column. */
const SLOW_WITHOUT: Readonly<Record<string, string>> = {
  key: "Each request reads the whole table, and a session may be there twice.",
  expires_at: "Sweeping reads the whole table.",
  owner: "Listing and ending one user's sessions reads the whole table.",
};

export function missingIndex(database: string, table: string, column: string): Finding {
  return warning(
    `${database}-index`,
    `${table} has no index that begins with ${column}`,
    SLOW_WITHOUT[column]!,
    // PostgreSQL makes up a name for an index, MySQL does not.
    database === "mysql"
      ? `CREATE INDEX coatcheck_${column} ON ${table} (\`${column}\`);`
      : `CREATE INDEX ON ${table} (${column});`,
  );
}

export function unswept(database: string, count: number): Finding {
  return warning(
    `${database}-unswept`,
    `${count} sessions that have expired are still in the table`,
    "No server sweeps, so the table grows for ever.",
    "Leave out sweepInterval: false, or run npx coatcheck sweep from a job.",
  );
}

function quoted(table: string, schema: string | undefined): string {
  const quote = (name: string) => `"${name.replaceAll('"', '""')}"`;
  return schema === undefined ? quote(table) : `${quote(schema)}.${quote(table)}`;
}
