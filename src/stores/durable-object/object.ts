// The class of the Durable Objects that hold the sessions.

import type { SessionEntry, SessionWrite, StoredSession } from "../../store.ts";
import { withOwner } from "../../store.ts";
import { firstVersion, PAGE_SIZE, type Row, toClaimed, toSession } from "../shared/sql/rows.ts";
import { QUOTING, sessionStatements, tableStatements } from "../shared/sql/sqlite-dialect.ts";
import { tableNames } from "../shared/sql/table.ts";
import { type Answers, type Call, type Described, decodeMessage, encodeMessage } from "./message.ts";

/** What the class uses of a Durable Object's state. */
export interface DurableObjectStateLike {
  storage: {
    sql: { exec(query: string, ...values: never[]): { toArray(): unknown[] } };
    getAlarm(): Promise<number | null>;
    setAlarm(at: number): Promise<void>;
    deleteAlarm(): Promise<void>;
    deleteAll(): Promise<void>;
  };
}

/** How long an expired session stays for a sweep to find it. Then an alarm removes it. */
const KEEP_EXPIRED_MS = 300_000;
/** An alarm takes at most this many sessions, and the next one follows. */
const REMOVED_TOGETHER = 1_000;
/** An alarm comes this much later than it could, so that it removes what expires meanwhile, too. */
const GATHER_MS = 10_000;
/** A read moves the expiry if at least this share of the idle time is over, as the core would do with another call. */
const EXTEND_AFTER = 0.1;

const NAMES = tableNames({}, QUOTING);
const SQL = sessionStatements(NAMES.table, { answers: true });

/**
 * A Durable Object that holds sessions: one, or a share of them. Export it from the worker's module, and bind it with a
 * migration that has it in `new_sqlite_classes`.
 *
 * An object runs one event at a time, and its statements are synchronous. So each call is atomic.
 */
export class SessionObject {
  readonly #storage: DurableObjectStateLike["storage"];
  #hasTable: boolean;

  constructor(state: DurableObjectStateLike, _env?: unknown) {
    this.#storage = state.storage;
    // A read of a session that is not there must not write anything.
    this.#hasTable = this.#run("SELECT 1 FROM sqlite_schema WHERE name = ?", "coatcheck_sessions").length > 0;
  }

  /** Answers a call of the store. */
  async fetch(request: Request): Promise<Response> {
    const { head, values } = decodeMessage(await request.arrayBuffer());
    const answer = await this.#answer(head as Call, values[0]);
    return new Response(encodeMessage(answer));
  }

  /** Removes what has been expired for long. An object without sessions gives its storage back. */
  async alarm(): Promise<void> {
    if (!this.#hasTable) return;
    this.#run(SQL.claim, Date.now() - KEEP_EXPIRED_MS, REMOVED_TOGETHER);
    const [first] = this.#run<{ at: number | null }>(`SELECT min(expires_at) AS at FROM ${NAMES.table}`);
    if (first?.at == null) await this.#empty();
    else await this.#storage.setAlarm(Math.max(first.at + KEEP_EXPIRED_MS, Date.now()) + GATHER_MS);
  }

  async #answer(
    call: Call,
    value: Uint8Array | undefined,
  ): Promise<{ head: Answers[Call["do"]]; values: Uint8Array[] }> {
    if (!this.#hasTable && call.do !== "create") return { head: ANSWERS_OF_EMPTY[call.do], values: [] };
    switch (call.do) {
      case "read":
        return this.#read(call.key, call.touchUntil);
      case "create":
        return { head: await this.#create(call.key, call.session, value!), values: [] };
      case "update":
        return { head: await this.#update(call.key, call.session, value!, Number(call.ifVersion)), values: [] };
      case "delete":
        return { head: await this.#delete(call.key, call.ifVersion), values: [] };
      case "touch":
        await this.#wakeFor(call.expiresAt);
        return { head: this.#run(SQL.touch, call.expiresAt, call.key).length === 1, values: [] };
      case "list":
        return { head: this.#list(call.after, call.owner), values: [] };
      case "claimExpired":
        return this.#claim(call.now, call.limit);
    }
  }

  #read(key: string, touchUntil: number | undefined): { head: Answers["read"]; values: Uint8Array[] } {
    const [row] = this.#run<Row>(SQL.read, key);
    if (row === undefined) return { head: null, values: [] };
    const { value, ...session } = toSession(withBytes(row));
    if (touchUntil !== undefined && touchUntil - session.expiresAt >= (touchUntil - Date.now()) * EXTEND_AFTER) {
      this.#run(SQL.touch, touchUntil, key);
      session.expiresAt = touchUntil;
    }
    return { head: session, values: [value] };
  }

  async #create(key: string, session: Described<SessionWrite>, value: Uint8Array): Promise<Answers["create"]> {
    await this.#wakeFor(session.expiresAt);
    if (!this.#hasTable) {
      for (const statement of tableStatements(NAMES, "BLOB")) this.#run(statement);
      this.#hasTable = true;
    }
    const version = firstVersion();
    const values = [key, version, session.expiresAt, session.owner ?? null, value];
    return this.#run(SQL.create, ...values).length === 1 ? version : "exists";
  }

  async #update(
    key: string,
    session: Described<SessionWrite>,
    value: Uint8Array,
    ifVersion: number,
  ): Promise<Answers["update"]> {
    await this.#wakeFor(session.expiresAt);
    const values = [session.expiresAt, session.owner ?? null, value, key, ifVersion];
    if (this.#run(SQL.update, ...values).length === 1) return ifVersion + 1;
    return this.#run(SQL.read, key).length === 1 ? "conflict" : "gone";
  }

  async #delete(key: string, ifVersion: StoredSession["version"] | undefined): Promise<boolean> {
    if (this.#run(SQL.delete, key, ifVersion ?? null).length === 0) return false;
    if (this.#run(`SELECT 1 FROM ${NAMES.table} LIMIT 1`).length === 0) await this.#empty();
    return true;
  }

  #list(after: string, owner: string | undefined): SessionEntry[] {
    const rows =
      owner === undefined
        ? this.#run<Omit<Row, "value">>(SQL.list, after, PAGE_SIZE)
        : this.#run<Omit<Row, "value">>(SQL.listOwner, after, owner, PAGE_SIZE);
    return rows.map((row) =>
      withOwner({ key: String(row.key), expiresAt: Number(row.expires_at) }, row.owner as string | null),
    );
  }

  #claim(now: number, limit: number): { head: Answers["claimExpired"]; values: Uint8Array[] } {
    const rows = this.#run<Row>(SQL.claim, now, limit).map(withBytes);
    const claimed = toClaimed(rows);
    return { head: claimed.map(({ value: _, ...session }) => session), values: claimed.map(({ value }) => value) };
  }

  /** The alarm is set before the session is written: then none stays for ever, whenever the object is stopped. */
  async #wakeFor(expiresAt: number): Promise<void> {
    const at = expiresAt + KEEP_EXPIRED_MS;
    const alarm = await this.#storage.getAlarm();
    if (alarm === null || alarm > at + GATHER_MS) await this.#storage.setAlarm(at + GATHER_MS);
  }

  async #empty(): Promise<void> {
    this.#hasTable = false;
    await Promise.all([this.#storage.deleteAlarm(), this.#storage.deleteAll()]);
  }

  #run<Result>(query: string, ...values: unknown[]): Result[] {
    return this.#storage.sql.exec(query, ...(values as never[])).toArray() as Result[];
  }
}

/** What an object without sessions answers. */
const ANSWERS_OF_EMPTY: Omit<Answers, "create"> = {
  read: null,
  update: "gone",
  delete: false,
  touch: false,
  list: [],
  claimExpired: [],
};

/** The storage gives values as ArrayBuffers. */
function withBytes<Columns extends { value: unknown }>(row: Columns): Columns & { value: Uint8Array } {
  return { ...row, value: new Uint8Array(row.value as ArrayBuffer) };
}
