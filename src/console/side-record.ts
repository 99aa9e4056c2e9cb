// A record that the console keeps beside sessions: sealed JSON, replaced by compare-and-swap.

import { UnknownSecretError } from "../errors.ts";
import type { Internals } from "../management/internals.ts";
import { readFresh, type Version } from "../store.ts";

/** Undefined: the record is not there. `state` undefined: what is there is not ours, and is replaced. */
export type FoundRecord<State> = { readonly version: Version; readonly state: State | undefined } | undefined;

export class SideRecord<State extends object> {
  readonly #internals: Internals;
  readonly #key: string;

  constructor(internals: Internals, key: string) {
    this.#internals = internals;
    this.#key = key;
  }

  /** @throws UnknownSecretError if a server has sealed it that shares no secret with this one. */
  async read(): Promise<FoundRecord<State>> {
    const found = await readFresh(this.#internals.store, this.#key);
    return found && { version: found.version, state: this.#opened(found.value) };
  }

  /** Its new version. Undefined: another server was first. */
  async write(state: State, expiresAt: number, ifVersion: Version | undefined): Promise<Version | undefined> {
    const { store, ownerCipher } = this.#internals;
    const value = ownerCipher.seal(Buffer.from(JSON.stringify(state)), { key: this.#key });
    const write = { value, expiresAt };
    const answer = await (ifVersion === undefined
      ? store.create(this.#key, write)
      : store.update(this.#key, write, ifVersion));
    return answer === "exists" || answer === "conflict" || answer === "gone" ? undefined : answer;
  }

  #opened(value: Uint8Array): State | undefined {
    try {
      const opened = this.#internals.ownerCipher.open(value, { key: this.#key });
      const state: unknown = JSON.parse(Buffer.from(opened).toString());
      return typeof state === "object" && state !== null ? (state as State) : undefined;
    } catch (error) {
      if (error instanceof UnknownSecretError) throw error;
      return undefined;
    }
  }
}
