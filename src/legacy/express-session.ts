// Sessions of express-session.

import { checkNames } from "../util/option-names.ts";
import type { LegacySource } from "./source.ts";
import { STORED_NAMES, type StoredOptions, storedSource } from "./stored.ts";

export interface LegacyExpressSessionOptions extends StoredOptions {
  /** The cookie's name. Default: `"connect.sid"`. */
  name?: string;
}

/**
 * Takes over the sessions of express-session, or of the drop-in on a store for it:
 * `createSessions({ legacy: [expressSession({ secret, store })] })`.
 *
 * @throws OptionError if an option is wrong.
 */
export function expressSession(options: LegacyExpressSessionOptions): LegacySource {
  checkNames("expressSession()", options, { ...STORED_NAMES, name: true });
  const { name = "connect.sid" } = options;
  return storedSource(options, {
    package: "express-session",
    name,
    nameOption: "name",
    prefix: "s:",
    rolling: false,
    touches: true,
  });
}
