// Whether a pooler stands before PostgreSQL that shares its connections out by transactions, as PgBouncer may.

import { type Finding, ok, problem } from "./finding.ts";

/** What the checks need of a `pg.Client`. */
export interface PostgresClient {
  connect(): Promise<unknown>;
  end(): Promise<unknown>;
  query(sql: string | { name: string; text: string }, values?: unknown[]): Promise<{ rows: Record<string, unknown>[] }>;
  on(event: "error", listener: () => void): unknown;
}

/** The statement is not there: another connection has prepared it. */
const MISSING = "26000";
const PREPARED = { name: "coatcheck_doctor", text: "SELECT 1" };

/**
 * Makes one client's connection to the server go to another client for a moment: with a pooler of this kind, the first one
 * then gets another one.
 */
export async function checkPooler(
  one: PostgresClient,
  other: PostgresClient,
  { prepare = true, notify = false }: { prepare?: boolean; notify?: boolean },
): Promise<Finding[]> {
  const before = await pidOf(one);
  let fails = false;
  if (prepare) fails ||= await isRefused(one);
  await other.query("BEGIN");
  let after: unknown;
  try {
    await other.query("SELECT 1");
    after = await pidOf(one);
    if (prepare) fails ||= await isRefused(one);
  } finally {
    await other.query("ROLLBACK");
  }
  if (after === before) return [];
  const findings: Finding[] = [];
  if (fails) {
    findings.push(
      problem(
        "postgres-pooler",
        "a pooler shares connections out by transactions, and can't keep prepared statements",
        "Requests fail now and then: the statement was prepared on another connection.",
        "Set prepare: false; or PgBouncer 1.21 or later with max_prepared_statements = 100.",
      ),
    );
  }
  if (notify) {
    findings.push(
      problem(
        "postgres-pooler-notify",
        "notify is set, and a pooler shares connections out by transactions",
        "LISTEN does not outlive its transaction, so no server hears of changes.",
        "Give the address of the database itself, or leave out notify.",
      ),
    );
  }
  return findings.length > 0 ? findings : [ok("postgres-pooler", "the pooler keeps what the store needs")];
}

async function pidOf(client: PostgresClient): Promise<unknown> {
  return (await client.query("SELECT pg_backend_pid() AS pid")).rows[0]?.pid;
}

async function isRefused(client: PostgresClient): Promise<boolean> {
  try {
    await client.query(PREPARED);
    return false;
  } catch (error) {
    if ((error as { code?: string }).code === MISSING) return true;
    throw error;
  }
}
