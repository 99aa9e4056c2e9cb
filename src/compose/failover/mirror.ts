import type { SessionStore, SessionWrite, Version } from "../../store.ts";
import type { Office } from "./office.ts";

/** Brings the standby what the primary has. */
export class Mirror {
  readonly #primary: SessionStore;
  readonly #standby: SessionStore;
  readonly #office: Office;
  /** Sessions that have changed since they were brought. */
  readonly #changed = new Set<string>();
  /** Sessions that have ended, and that the standby could not be told of. */
  readonly #ended = new Set<string>();
  #working: Promise<void> | undefined;

  constructor(primary: SessionStore, standby: SessionStore, office: Office) {
    this.#primary = primary;
    this.#standby = standby;
    this.#office = office;
  }

  /** To be brought as soon as can be. Nobody waits for it. */
  changed(key: string): void {
    if (this.#office.standbyRules) return;
    this.#changed.add(key);
    if (this.#changed.size > MOST) this.#forget(this.#changed);
    void this.work();
  }

  /** Resolves when the standby has been told, or could not be reached: it is then told later. */
  async ended(key: string): Promise<void> {
    this.#changed.delete(key);
    try {
      await this.#standby.delete(key);
    } catch {
      this.#ended.add(key);
      if (this.#ended.size > MOST) this.#forget(this.#ended);
    }
  }

  /** Brings all that is still to be brought, until something fails; then the next call tries again. */
  work(): Promise<void> {
    this.#working ??= this.#workOff()
      .catch(() => {}) // a store is down; its guard has said so
      .finally(() => {
        this.#working = undefined;
      });
    return this.#working;
  }

  async #workOff(): Promise<void> {
    for (const key of this.#ended) {
      await this.#standby.delete(key);
      this.#ended.delete(key);
    }
    while (this.#changed.size > 0) {
      if (this.#office.standbyRules) return this.#changed.clear();
      const keys = [...this.#changed].slice(0, AT_ONCE);
      for (const key of keys) this.#changed.delete(key);
      const results = await Promise.allSettled(keys.map((key) => this.bring(key)));
      const failed = results.find((result) => result.status === "rejected");
      for (const [index, key] of keys.entries()) if (results[index]!.status === "rejected") this.#changed.add(key);
      if (failed !== undefined) throw failed.reason;
    }
  }

  /**
   * Makes the standby's session what the primary's is. The order keeps an older state from covering a newer one: first it
   * looks what the standby has, which no longer fits if anyone writes there meanwhile; then whether it has taken over;
   * then what the primary has.
   */
  async bring(key: string): Promise<void> {
    let created: Version | undefined;
    for (;;) {
      const copy = await this.#standby.read(key);
      if (await this.#office.ask()) {
        // It took over while the copy was made: the session may have ended there before, and must not come back.
        if (created !== undefined) await this.#standby.delete(key, created);
        return;
      }
      const session = await this.#primary.read(key);
      if (session === undefined) {
        if (copy === undefined || (await this.#standby.delete(key, copy.version))) return;
      } else if (copy === undefined) {
        const answer = await this.#standby.create(key, content(session));
        // Once more from the start: if the session has ended meanwhile, nobody else takes the copy away.
        created = answer === "exists" ? undefined : answer;
      } else if (!isSame(copy, session)) {
        const answer = await this.#standby.update(key, content(session), copy.version);
        if (answer !== "conflict" && answer !== "gone") return;
      } else if (copy.expiresAt === session.expiresAt || (await this.#standby.touch(key, session.expiresAt))) return;
    }
  }

  #forget(keys: Set<string>): void {
    keys.delete(keys.values().next().value!);
    process.emitWarning(
      "coatcheck: the standby has been away for too long to be told all that it missed. Run sync() when it is back.",
      { code: "COATCHECK_STANDBY_BEHIND" },
    );
  }
}

/** The most keys that are remembered while the standby is away. */
const MOST = 100_000;
const AT_ONCE = 16;

function content({ value, expiresAt, owner }: SessionWrite): SessionWrite {
  return owner === undefined ? { value, expiresAt } : { value, expiresAt, owner };
}

function isSame(one: SessionWrite, other: SessionWrite): boolean {
  return one.owner === other.owner && Buffer.compare(one.value, other.value) === 0;
}
