// The connections of the PostgreSQL store: taken from the pool, given back, and closed when they are broken or outdated.

import { notSent } from "../shared/sql/errors.ts";
import { FailoverDetector } from "../shared/sql/failover.ts";
import { isReadOnly, isServerAnswer } from "./errors.ts";
import type { PostgresConnection, PostgresPool } from "./options.ts";

/**
 * Runs queries on connections of a pool. The pool's own `query` would close a connection after every error, so a server that
 * refuses writes would take the connections from the reads.
 */
export class Connections {
  readonly #failover: FailoverDetector;
  readonly #withListener = new WeakSet<PostgresConnection>();

  /**
   * @param canWrite whether a new connection takes writes.
   * @param onFailover called when it does, although others refuse them.
   */
  constructor(canWrite: () => Promise<boolean>, onFailover: () => void) {
    this.#failover = new FailoverDetector(canWrite, onFailover);
  }

  /**
   * Keeps a connection's errors from ending the process: one that breaks reports it by an event, too. The pool calls this
   * while it hands the connection out, since what came with the server's last message is reported before `connect` resolves.
   */
  readonly listen = (connection: PostgresConnection): void => {
    if (this.#withListener.has(connection)) return;
    this.#withListener.add(connection);
    connection.on("error", () => {});
  };

  /** @throws StoreError if there is no connection. Nothing was sent then. */
  async query(
    pool: PostgresPool,
    operation: string,
    query: Parameters<PostgresConnection["query"]>[0],
  ): ReturnType<PostgresConnection["query"]> {
    let connection: PostgresConnection;
    try {
      connection = await this.#acquire(pool);
    } catch (error) {
      throw notSent("PostgreSQL", operation, error);
    }
    try {
      const result = await connection.query(query);
      connection.release();
      return result;
    } catch (error) {
      if (isReadOnly(error)) this.#failover.onWriteRefused();
      connection.release(!isServerAnswer(error));
      throw error;
    }
  }

  async #acquire(pool: PostgresPool): Promise<PostgresConnection> {
    for (;;) {
      const connection = await pool.connect();
      if (!this.#failover.isOutdated(connection)) return connection;
      connection.release(true);
    }
  }
}
