// The keys of what the store holds beside sessions.

const REPLACED = "-replaced";
const OWNER = "-owner";

/** Left under a ticket that `regenerate` has replaced. */
export function replacedKey(key: string): string {
  return key + REPLACED;
}

/** What is kept of an owner. `hash`: the owner's name in the store. */
export function ownerKey(hash: string): string {
  return hash + OWNER;
}

/** False for what is kept beside sessions, here and by `coatcheck doctor`. */
export function isSessionKey(key: string): boolean {
  return /^[\w-]{24}$/.test(key);
}
