// MemoryStore: sessions in this process, for development and tests.

import type { Callback, StoredData } from "./session.ts";
import { Store } from "./store.ts";

/**
 * Keeps sessions as JSON. It is not for production: sessions without an age stay for ever. `memory()` of coatcheck/memory
 * is.
 */
export class MemoryStore extends Store {
  /** By id. */
  readonly sessions: Record<string, string> = Object.create(null);

  get(sid: string, callback: Callback<StoredData>): void {
    later(callback, this.#read(sid));
  }

  set(sid: string, session: StoredData, callback?: Callback): void {
    this.sessions[sid] = JSON.stringify(session);
    later(callback);
  }

  destroy(sid: string, callback?: Callback): void {
    delete this.sessions[sid];
    later(callback);
  }

  override touch(sid: string, session: StoredData, callback?: Callback): void {
    const current = this.#read(sid);
    if (current !== undefined) {
      current.cookie = session.cookie;
      this.sessions[sid] = JSON.stringify(current);
    }
    later(callback);
  }

  override all(callback: Callback<Record<string, StoredData>>): void {
    later(callback, this.#all());
  }

  override length(callback: Callback<number>): void {
    later(callback, Object.keys(this.#all()).length);
  }

  override clear(callback?: Callback): void {
    for (const sid of Object.keys(this.sessions)) delete this.sessions[sid];
    later(callback);
  }

  #all(): Record<string, StoredData> {
    const live: Record<string, StoredData> = Object.create(null);
    for (const sid of Object.keys(this.sessions)) {
      const data = this.#read(sid);
      if (data !== undefined) live[sid] = data;
    }
    return live;
  }

  #read(sid: string): StoredData | undefined {
    const text = this.sessions[sid];
    if (text === undefined) return undefined;
    const data = JSON.parse(text) as StoredData;
    const expires = data.cookie?.expires;
    if (!expires || new Date(expires).getTime() > Date.now()) return data;
    delete this.sessions[sid];
    return undefined;
  }
}

/** As from a database: never before the caller goes on. */
function later<Result>(callback: Callback<Result> | undefined, result?: Result): void {
  if (callback !== undefined) setImmediate(callback, null, result);
}
