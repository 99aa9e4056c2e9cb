// The connections of the MySQL store: taken from the pool, given back, and closed when they are broken or outdated.

import { StoreError } from "../../errors.ts";
import { withTimeout } from "../../util/timeout.ts";
import { notSent } from "../shared/sql/errors.ts";
import { FailoverDetector } from "../shared/sql/failover.ts";
import { isReadOnly, isServerAnswer } from "./errors.ts";
import type { MysqlConnection, MysqlPool } from "./options.ts";

export class Connections {
  readonly #timeout: number;
  readonly #failover: FailoverDetector;

  /**
   * @param timeout milliseconds to wait for a connection, and for the work on it.
   * @param canWrite whether a new connection takes writes.
   */
  constructor(timeout: number, canWrite: () => Promise<boolean>) {
    this.#timeout = timeout;
    this.#failover = new FailoverDetector(canWrite);
  }

  /**
   * Runs `work` on one connection. A connection that may be broken does not go back to the pool.
   *
   * @param late makes the error for work that takes too long.
   * @throws StoreError if there is no connection. Nothing was sent then.
   */
  async use<Result>(
    pool: MysqlPool,
    operation: string,
    work: (connection: MysqlConnection) => Promise<Result>,
    late: () => Error,
  ): Promise<Result> {
    const connection = await this.#acquire(pool, operation);
    try {
      const result = await withTimeout(work(connection), this.#timeout, late);
      connection.release();
      return result;
    } catch (error) {
      if (isReadOnly(error)) this.#failover.onWriteRefused();
      if (isServerAnswer(error)) connection.release();
      else connection.destroy();
      throw error;
    }
  }

  async #acquire(pool: MysqlPool, operation: string): Promise<MysqlConnection> {
    const acquiring = this.#current(pool);
    const late = () =>
      new StoreError(`coatcheck: MySQL failed to ${operation}: there was no connection within ${this.#timeout} ms`);
    try {
      return await withTimeout(acquiring, this.#timeout, late);
    } catch (error) {
      acquiring.then((connection) => connection.release()).catch(() => {});
      throw notSent("MySQL", operation, error);
    }
  }

  /** A connection that is not outdated. */
  async #current(pool: MysqlPool): Promise<MysqlConnection> {
    for (;;) {
      const connection = await pool.getConnection();
      if (!this.#failover.isOutdated(connection.connection ?? connection)) return connection;
      connection.destroy();
    }
  }
}
