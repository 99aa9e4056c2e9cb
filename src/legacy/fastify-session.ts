// Sessions of @fastify/session.

import { checkNames } from "../util/option-names.ts";
import type { LegacySource } from "./source.ts";
import { STORED_NAMES, type StoredOptions, storedSource } from "./stored.ts";

export interface LegacyFastifySessionOptions extends StoredOptions {
  /** The cookie's name. Default: `"sessionId"`. */
  cookieName?: string;
  /** As the old application has it. Default: none. */
  cookiePrefix?: string;
}

/**
 * Takes over the sessions of @fastify/session: `createSessions({ legacy: [fastifySession({ secret, store })] })`. A signer
 * of the application's own is not known here.
 *
 * @throws OptionError if an option is wrong.
 */
export function fastifySession(options: LegacyFastifySessionOptions): LegacySource {
  checkNames("fastifySession()", options, { ...STORED_NAMES, cookieName: true, cookiePrefix: "string" });
  const { cookieName: name = "sessionId", cookiePrefix: prefix = "" } = options;
  return storedSource(options, {
    package: "@fastify/session",
    name,
    nameOption: "cookieName",
    prefix,
    rolling: true,
    touches: false,
  });
}
