// The connections of the PostgreSQL store: taken from the pool, given back, and closed when they are broken or outdated.

import { storeTimeoutError } from "../../errors.ts";
import { MAX_TIMER_MS } from "../../util/timers.ts";
import { notSent } from "../shared/sql/errors.ts";
import { FailoverDetector } from "../shared/sql/failover.ts";
import { isReadOnly, isServerAnswer } from "./errors.ts";
import type { PostgresConnection, PostgresPool, PostgresQuery, PostgresResult } from "./options.ts";

/**
 * Runs queries on connections of a pool. The pool's own `query` would close a connection after every error, so a server that
 * refuses writes would take the connections from the reads.
 */
export class Connections {
  readonly #failover: FailoverDetector;
  readonly #timeout: number | undefined;
  readonly #withListener = new WeakSet<PostgresConnection>();

  /**
   * @param canWrite whether a new connection takes writes.
   * @param onFailover called when it does, although others refuse them.
   * @param timeout milliseconds that a query may take. Undefined: the pool has a limit of its own.
   */
  constructor(canWrite: () => Promise<boolean>, onFailover: () => void, timeout: number | undefined) {
    this.#failover = new FailoverDetector(canWrite, onFailover);
    this.#timeout = timeout;
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
  async query(pool: PostgresPool, operation: string, query: PostgresQuery): Promise<PostgresResult> {
    let connection: PostgresConnection;
    try {
      connection = await this.#acquire(pool);
    } catch (error) {
      throw notSent("PostgreSQL", operation, error);
    }
    try {
      const result = await this.#send(connection, operation, query);
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

  /**
   * Sends a query, by its callback and with a timer of its own. V8's collector of young objects can't free what `pg` leaves
   * behind with its promise, or with its `query_timeout`: at 1,000 requests a second the whole heap is then collected about
   * each second, and one answer in fifty waits for it.
   */
  #send(connection: PostgresConnection, operation: string, query: PostgresQuery): Promise<PostgresResult> {
    const timeout = this.#timeout;
    return new Promise((resolve, reject) => {
      const expire = () => reject(storeTimeoutError("PostgreSQL", operation, timeout!));
      const timer = timeout && setTimeout(expire, Math.min(timeout, MAX_TIMER_MS));
      const done = (error: unknown, result?: PostgresResult) => {
        clearTimeout(timer);
        if (error) reject(error);
        else resolve(result!);
      };
      try {
        connection.query(query, done);
      } catch (error) {
        done(error); // instrumentation of the client may throw
      }
    });
  }
}
