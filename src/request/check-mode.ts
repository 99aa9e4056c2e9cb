// Checks the mode that a request asks for.

import { OptionError } from "../errors.ts";
import { MODES, type Mode } from "../session.ts";
import type { SessionStore } from "../store.ts";

/** @throws OptionError if there is no such mode, or the store can't do it. */
export function checkMode({ store }: { readonly store: SessionStore }, mode: Mode): void {
  if (!MODES.includes(mode)) throw new OptionError("mode", mode, 'use "merge", "exclusive", "readonly".');
  if (store.inCookie && mode === "exclusive") {
    throw new OptionError("mode", mode, "a session in a cookie can't be locked: use a server-side store.");
  }
}
