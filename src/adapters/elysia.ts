// The adapter for Elysia 1.

import { Elysia } from "elysia";
import {
  type AdapterSession,
  CoatcheckError,
  type Session,
  type SessionData,
  type Sessions,
  type SessionsOptions,
} from "../index.ts";
import { type CsrfCheckOptions, csrfCheck } from "./csrf.ts";
import { commitSessions, openSessions, withSessions } from "./elysia/commit-requests.ts";
import { preparedError, type ResponseSettings } from "./elysia/prepared-error.ts";
import { changeMode } from "./open-session.ts";
import {
  checkAdapterOptions,
  modeOf,
  openOptions,
  PROPERTY_NAMES,
  type PropertyOptions,
  sessionsFrom,
} from "./options.ts";
import { foreignSessionError } from "./property-errors.ts";

export interface ElysiaOptions<Property extends string = "session"> extends PropertyOptions<Request> {
  /** The session's name in the context. Two kinds of sessions in one application need two names. Default: `"session"`. */
  property?: Property;
}

let plugins = 0;

/**
 * Sessions for Elysia, on Bun and on Node: a plugin. The routes of the instance that uses it, and of the instances below
 * that, have `session` in their context.
 *
 * ```ts
 * const app = new Elysia()
 *   .use(session(sessions))
 *   .get("/", ({ session }) => `${session.update("visits", (n = 0) => n + 1)} visits`);
 * ```
 *
 * Routes that use the session in another way have it again, in an instance of their own:
 * `new Elysia().use(session(sessions, { mode: "exclusive" })).post("/checkout", …)`. Errors of the session go to `onError`, with
 * a `status` (503 if the store is down). What is thrown with a status below 500, as for 404, is an answer: the request's
 * changes are saved.
 *
 * @throws OptionError if options are given and one is wrong.
 */
export function session<Data extends object = SessionData, const Property extends string = "session">(
  sessionsOrOptions?: Sessions<Data> | SessionsOptions<Data>,
  options: ElysiaOptions<Property> = {},
) {
  checkAdapterOptions(options, PROPERTY_NAMES);
  const sessions = sessionsFrom(sessionsOrOptions);
  const { property = "session" as Property, saveFailed = false } = options;
  const place = (session?: unknown) => ({ [property]: session }) as { [Name in Property]: Session<Data> };

  // Elysia drops a plugin whose name and seed it has already.
  return new Elysia({ name: "coatcheck", seed: ++plugins })
    .wrap(withSessions as unknown as Parameters<Elysia["wrap"]>[0])
    .derive({ as: "scoped" }, async function openSession({ request, set }) {
      try {
        const among = openSessions.get(request);
        if (among === undefined) throw dynamicError();
        const mode = modeOf(options, request);
        const outer = among.find((one) => sessions.owns(one.session))?.session;
        if (outer !== undefined) {
          await changeMode(outer, mode);
          return place(mode === "none" ? undefined : outer);
        }
        const other = among.find((one) => one.property === property);
        if (other !== undefined) throw foreignSessionError(property, other.session, "context");
        if (mode === "none") return place();
        const session = await sessions.openMaybeSync(request, openOptions(options, request, mode));
        among.push({ session: session as unknown as AdapterSession, property, saveFailed });
        return place(session);
      } catch (error) {
        throw preparedError(error, set);
      }
    })
    .mapResponse({ as: "scoped" }, commitSessions);
}

function dynamicError(): CoatcheckError {
  return new CoatcheckError(
    "COATCHECK_PEER",
    "coatcheck: this application runs without what session() puts around it: remove the option aot: false of new Elysia().",
  );
}

/**
 * Refuses requests that a page of another site may have sent in the user's name (403): see
 * `session.checkCsrf`. After `session()`:
 * `app.onBeforeHandle(csrf())`.
 *
 * @throws OptionError if an option is wrong.
 */
export function csrf(options: CsrfCheckOptions = {}) {
  const check = csrfCheck(options);
  // Elysia parses the body because the function uses it.
  return (context: { request: Request; body: unknown; query: unknown; set: ResponseSettings }): void => {
    try {
      check(context.request.method, context, { body: context.body, query: context.query });
    } catch (error) {
      throw preparedError(error, context.set);
    }
  };
}
