// What the D1 store uses of a D1 database.

/** A D1 database, or a session of one. */
export interface D1Like {
  prepare(sql: string): D1StatementLike;
  batch(statements: never[]): Promise<unknown>;
}

export interface D1StatementLike {
  bind(...values: unknown[]): D1StatementLike;
  all(): Promise<{ results: unknown[] }>;
}

/** The rows that a statement gives. */
export async function rowsOf<Row>(database: D1Like, sql: string, values: readonly unknown[]): Promise<Row[]> {
  const { results } = await database
    .prepare(sql)
    .bind(...values)
    .all();
  return results as Row[];
}
