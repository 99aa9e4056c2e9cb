import type { StoredSession } from "../store.ts";
import { Copies } from "./copies.ts";
import { type Row, stored } from "./sql/rows.ts";
import type { SqliteStatement } from "./sqlite.ts";

/** What copies may take of this process's memory. */
const MAX_BYTES = 64 * 1024 * 1024;

/**
 * Copies of sessions that are never out of date. SQLite says whether another connection has changed the file since it was
 * last asked, in half the time that a row takes; if so, a copy counts again once its row has shown the same version.
 * @see https://www.sqlite.org/pragma.html#pragma_data_version
 */
export class SqliteCopies {
  readonly #copies = new Copies(MAX_BYTES);

  /** The session as the file has it now. `row` asks the file for it; `keep` says whether it is worth a copy. */
  read(
    key: string,
    dataVersion: SqliteStatement,
    row: () => Row | undefined,
    keep: boolean,
  ): StoredSession | undefined {
    const { data_version: now } = dataVersion.get() as { data_version: number };
    const copy = this.#copies.get(key);
    if (copy?.since === now) {
      if (copy.session.expiresAt > Date.now()) return copy.session;
      this.forget(key);
      return undefined;
    }
    const found = row();
    if (found === undefined) {
      this.forget(key);
      return undefined;
    }
    const session = stored(found);
    if (copy?.session.version !== session.version) return keep ? this.#copies.put(key, session, now) : session;
    copy.since = now;
    copy.extend(session.expiresAt);
    return copy.session;
  }

  /** This connection changes the session, which SQLite does not count as a change. */
  forget(key: string): void {
    this.#copies.delete(key);
  }

  clear(): void {
    this.#copies.clear();
  }
}
