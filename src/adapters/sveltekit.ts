// The adapter for SvelteKit.

import { AsyncLocalStorage } from "node:async_hooks";
import type { RequestEvent } from "@sveltejs/kit";
import {
  type AdapterSession,
  CoatcheckError,
  type SessionData,
  type Sessions,
  type SessionsOptions,
} from "../index.ts";
import type { Locals, WithSession } from "./app-locals.ts";
import { commitResponse, respondToError } from "./commit-response.ts";
import {
  checkAdapterOptions,
  foreignSessionError,
  modeOf,
  openOptions,
  PROPERTY_NAMES,
  type PropertyOptions,
  sessionsFrom,
} from "./options.ts";
import { failsWithStatus200 } from "./sveltekit-responses.ts";

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

/** The sessions of the request that runs, so that what a page fetches from its own application finds them. */
const openSessions = new AsyncLocalStorage<object[]>();

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
    const found = locals[property];
    if (found !== undefined && found !== null) {
      if (!sessions.owns(found)) throw foreignSessionError(property, found, "event.locals");
      try {
        if (mode !== undefined) await found.changeMode(mode === "none" ? "readonly" : mode);
      } catch (error) {
        return respond(error, event);
      }
      if (mode === "none") locals[property] = undefined;
      return resolve(event);
    }
    if (mode === "none") return resolve(event);
    const among = openSessions.getStore() ?? [];
    const outer = sharesSession(event) ? among.find((one) => sessions.owns(one)) : undefined;
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
        const response = await openSessions.run([...among, opened], () => resolve(event));
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
    // Another hook has thrown it. SvelteKit answers in several ways, and sets the cookies that it knows.
    for (const { name, value, ...attributes } of await opened.commit("parts")) {
      event.cookies.set(name, value, { ...attributes, encode: String });
    }
    throw redirect;
  };

  function respond(error: unknown, event: RequestEvent): Response | Promise<Response> {
    if (error instanceof CoatcheckError) return onError(error, event);
    throw error;
  }
}

/** True for what `event.fetch` asks of the application itself, unless it is to be asked without cookies. */
function sharesSession({ isSubRequest, request }: RequestEvent): boolean {
  return isSubRequest && request.credentials !== "omit";
}

/** SvelteKit gives every page an ETag that it does not stream. */
function isStreamed({ headers }: Response): boolean {
  return !headers.has("etag") && headers.get("content-type")?.startsWith("text/html") === true;
}

/** True for what SvelteKit's `redirect()` throws. Its class is one of the application's build. */
function isRedirect(error: unknown): error is { status: number; location: string } {
  const { status, location } = (error ?? {}) as { status?: unknown; location?: unknown };
  return typeof location === "string" && typeof status === "number" && status >= 300 && status < 400;
}

/** The response to a session's error, in the form that SvelteKit gives to an error of a hook. */
async function respondToKit(error: CoatcheckError, event: RequestEvent): Promise<Response> {
  const response = respondToError(error);
  const acceptsJson = /^application\/json/.test(event.request.headers.get("accept") ?? "");
  if (!acceptsJson && !event.isDataRequest && !event.isRemoteRequest) return response;
  const { status, headers } = response;
  headers.delete("content-type");
  return Response.json({ status, message: (await response.text()).trim() }, { status, headers });
}
