// The sessions of an owner that the store lists.

import type { SessionStore } from "../store.ts";

/** What listing them needs of the application. */
export interface ListedContext {
  readonly store: SessionStore;
  /** The names under which the store files an owner, one for each secret. */
  readonly ownerHashes: readonly ((owner: string) => string)[];
}

/** Their ids. None, if the store can't list. */
export async function listedIds({ store, ownerHashes }: ListedContext, owner: string): Promise<string[]> {
  const ids: string[] = [];
  if (store.list === undefined) return ids;
  for (const hashOwner of ownerHashes) {
    for await (const { key } of store.list({ owner: hashOwner(owner) })) ids.push(key);
  }
  return ids;
}
