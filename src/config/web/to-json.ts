// Writes what a web.config says in the form of a session.json.

import type { Environment } from "../environment.ts";
import { readWebConfig, type Transforms } from "./read.ts";

/** A session.json, and what it does not say in the same way. */
export interface ImportedConfig {
  json: Record<string, unknown>;
  /** What is to be done, or differs, each in one sentence. */
  notes: string[];
}

const MINUTE = 60_000;
/** Names of options that are secret, or contain a password. */
const SECRET_OPTIONS = /^(url|password|accessKey|key|connectionString|connection|accountKey)$/;

/**
 * The settings of a web.config as a session.json. Secrets and passwords are not written: each becomes a variable of the
 * environment, and a note says which.
 *
 * @throws ConfigError with every problem of the file.
 */
export async function webConfigToJson(
  path: string,
  env: Environment = process.env,
  transform?: Transforms,
): Promise<ImportedConfig> {
  const { store, sessions, warnings } = await readWebConfig(path, env, transform);
  const notes = [...warnings];
  const { idleTimeout, mode, compress, cookie, secret, ...sameNames } = sessions;
  const { name: cookieName, sameSite: cookieSameSite, ...cookieRest } = cookie ?? {};
  const options = Object.fromEntries(
    Object.entries(store?.options ?? {}).map(([name, value]) => {
      if (!SECRET_OPTIONS.test(name)) return [name, value];
      const variable = `SESSION_STORE_${name.replace(/[A-Z]/g, "_$&").toUpperCase()}`;
      notes.push(`Set the variable ${variable} to the "${name}" of the store: it may hold a password.`);
      return [name, `[${variable}]`];
    }),
  );
  if (secret !== undefined) notes.push("Set the variable SESSION_SECRET to the secret: it is not written into a file.");
  const json = {
    $schema: "./node_modules/coatcheck/dist/config/schema.json",
    mode: store === undefined ? "Off" : store.type,
    ...(Object.keys(options).length > 0 && { options }),
    ...(typeof idleTimeout === "number" && { timeout: idleTimeout / MINUTE }),
    ...(secret !== undefined && { secret: "[SESSION_SECRET]" }),
    ...(mode !== undefined && mode !== "off" && { requestMode: mode }),
    ...(compress !== undefined && { compressionEnabled: compress }),
    ...(cookieName !== undefined && { cookieName }),
    ...(cookieSameSite !== undefined && { cookieSameSite }),
    ...(Object.keys(cookieRest).length > 0 && { cookie: cookieRest }),
    ...sameNames,
  };
  return { json, notes };
}
