// The guards of NestJS: the mode of a route, and the check against cross-site request forgery.

import type { CanActivate } from "@nestjs/common";
import type { AdapterSession, Mode } from "../../index.ts";
import { type CsrfCheckOptions, csrfCheck } from "../csrf.ts";
import { changeMode } from "../open-session.ts";
import { checkAdapterOptions, PROPERTY_NAMES } from "../options.ts";

/**
 * A guard by which a controller or a handler uses the session in another way: `@UseGuards(sessionMode("exclusive"))`. Guards
 * before it see the session in the mode of the module.
 */
export function sessionMode(mode: Mode, property = "session"): CanActivate {
  checkAdapterOptions({ mode, property }, PROPERTY_NAMES);
  return {
    canActivate: async (context) => {
      const request = context.switchToHttp().getRequest() as Record<string, AdapterSession | undefined>;
      const session = request[property];
      if (session !== undefined) await changeMode(session, mode);
      return true;
    },
  };
}

/**
 * A guard that refuses requests which a page of another site may have sent in the user's name (403): see
 * `session.checkCsrf`. For the application: `app.useGlobalGuards(csrf())`.
 *
 * @throws OptionError if an option is wrong.
 */
export function csrf(options: CsrfCheckOptions = {}): CanActivate {
  const check = csrfCheck(options);
  return {
    canActivate: (context) => {
      const request = context.switchToHttp().getRequest() as { method: string; body?: unknown; query?: unknown };
      check(request.method, request, request);
      return true;
    },
  };
}
