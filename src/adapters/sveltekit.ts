// The adapter for SvelteKit.

import type { RequestEvent } from "@sveltejs/kit";
import type { AdapterSession, CoatcheckError, SessionData, Sessions, SessionsOptions } from "../index.ts";
import type { Locals, WithSession } from "./app-locals.ts";
import { commitResponse } from "./commit-response.ts";
import { ownError } from "./error-response.ts";
import { changeMode } from "./open-session.ts";
import {
  checkAdapterOptions,
  modeOf,
  openOptions,
  PROPERTY_NAMES,
  type PropertyOptions,
  sessionsFrom,
} from "./options.ts";
import { sessionFound } from "./property-errors.ts";
import { respondToKit } from "./sveltekit/error-response.ts";
import { failsWithStatus200, isStreamed } from "./sveltekit/page-response.ts";
import { isRedirect, setCookies } from "./sveltekit/redirect.ts";
import { runWith, sessionOfPage } from "./sveltekit/sub-requests.ts";

declare global {
  namespace App {
    interface Locals extends WithSession {}
  }
}

export interface SvelteKitOptions extends PropertyOptions<RequestEvent> {
  /** Where `event.locals` has the session. Two kinds of sessions in one application need two names. Default: `"session"`. */
  property?: string;
  /**
   * Gives the response to a request whose session can't be opened or committed. To show the application's error page, let it
   * throw SvelteKit's own error: `onError: ({ status }) => error(status, "Try again in a moment")`. Default: a text, or JSON
   * where SvelteKit's client waits for it, with the error's status (503 if the store is down).
   */
  onError?: (error: CoatcheckError, event: RequestEvent) => Response | Promise<Response>;
}

/** A `handle` hook. */
export type Handle = (input: {
  event: RequestEvent;
  resolve: (event: RequestEvent) => Promise<Response>;
}) => Promise<Response>;

/**
 * Sessions for SvelteKit, in `src/hooks.server.ts`: `export const handle = session(sessions)`. Then `event.locals.session` is
 * there in `load` functions, form actions, endpoints and remote functions. Other hooks follow it:
 * `sequence(session(sessions), guard)`. What a page fetches from its own application shares the session of the page, in the
 * page's mode.
 *
 * ```ts
 * export const actions = {
 *   add: async ({ locals }) => void locals.session.update("count", (n = 0) => n + 1),
 * };
 * ```
 *
 * @throws OptionError if options are given and one is wrong.
 */
export function session<Data extends object = SessionData>(
  sessionsOrOptions?: Sessions<Data> | SessionsOptions<Data>,
  options: SvelteKitOptions = {},
): Handle {
  checkAdapterOptions(options, { ...PROPERTY_NAMES, onError: true });
  const sessions = sessionsFrom(sessionsOrOptions);
  const { property = "session", saveFailed = false, onError = respondToKit } = options;

  return async function coatcheck({ event, resolve }) {
    const locals = event.locals as unknown as Locals;
    const mode = modeOf(options, event);
    const found = sessionFound(sessions, property, locals[property], "event.locals");
    if (found !== undefined) {
      try {
        await changeMode(found, mode);
      } catch (error) {
        return respond(error, event);
      }
      if (mode === "none") locals[property] = undefined;
      return resolve(event);
    }
    if (mode === "none") return resolve(event);
    const outer = sessionOfPage(sessions, event);
    if (outer !== undefined) {
      locals[property] = outer;
      return resolve(event);
    }
    let opened: AdapterSession<Data>;
    try {
      opened = await sessions.openMaybeSync(event.request, openOptions(options, event, mode));
    } catch (error) {
      return respond(error, event);
    }
    locals[property] = opened;
    let redirect: unknown;
    const handle = async () => {
      try {
        const response = await runWith(opened, () => resolve(event));
        if (!saveFailed && (await failsWithStatus200(event, response))) opened.discard();
        // What is streamed may read the session later, which is too late for a header.
        if (isStreamed(response)) void opened.id;
        return response;
      } catch (error) {
        if (!isRedirect(error)) throw error;
        redirect = error;
        return new Response(null, { status: error.status });
      }
    };
    const response = await commitResponse(opened, options, handle, (error) => respond(error, event));
    if (redirect === undefined || response.status >= 400) return response;
    await setCookies(event, opened);
    throw redirect; // of another hook
  };

  function respond(error: unknown, event: RequestEvent): Response | Promise<Response> {
    return onError(ownError(error), event);
  }
}
