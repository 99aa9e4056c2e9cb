// The keys of what the store holds beside sessions.

const REPLACED = "-replaced";
const OWNER = "-owner";
const CONSOLE = "-console";
const SERVER = "-server";

/** Left under a ticket that `regenerate` has replaced. */
export function replacedKey(key: string): string {
  return key + REPLACED;
}

/** What is kept of an owner. `hash`: the owner's name in the store. */
export function ownerKey(hash: string): string {
  return hash + OWNER;
}

/** The list of an application's servers. `hash`: a name in the store that only the application has. */
export function directoryKey(hash: string): string {
  return hash + CONSOLE;
}

/** What a server reports of itself. */
export function serverKey(id: string): string {
  return id + SERVER;
}

/** False for what is kept beside sessions, here and by `coatcheck doctor`. */
export function isSessionKey(key: string): boolean {
  return /^[\w-]{24}$/.test(key);
}
