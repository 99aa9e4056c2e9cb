// The secrets of an application: those that it was given, or one that this process makes.

import { Description, OptionError } from "../errors.ts";
import type { SessionStore } from "../store.ts";

/** The fewest characters of a secret. */
export const MIN_SECRET = 32;
const MAKE_ONE = `make one with: node -e "console.log(crypto.randomBytes(32).toString('base64url'))"`;

/** The secrets, the first of which seals. @throws OptionError if one is missing that the store needs, or too short */
export function secretsOf(secret: string | readonly string[] | undefined, store: SessionStore): readonly string[] {
  if (secret === undefined) {
    if (store.inProcess) return [randomSecret()];
    throw new OptionError("secret", undefined, `this store is shared, so every server needs the same one; ${MAKE_ONE}`);
  }
  const secrets = typeof secret === "string" ? [secret] : secret;
  if (!Array.isArray(secrets) || secrets.length === 0) {
    throw new OptionError("secret", secret, `give a text, or an array of at least one; ${MAKE_ONE}`);
  }
  for (const one of secrets) {
    if (typeof one !== "string") throw new OptionError("secret", one, `give a text; ${MAKE_ONE}`);
    if (one.length < MIN_SECRET) {
      const length = new Description(`${one.length} characters long`);
      throw new OptionError("secret", length, `${MIN_SECRET} are the least; ${MAKE_ONE}`);
    }
  }
  return secrets;
}

function randomSecret(): string {
  process.emitWarning(
    "coatcheck: no secret given, so this process made one. Its sessions end with it, as its in-process store does.",
    { code: "COATCHECK_RANDOM_SECRET" },
  );
  return Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64url");
}
