// The adapter for Elysia 1.

import { Elysia, ElysiaCustomStatusResponse, StatusMap } from "elysia";
import {
  type AdapterSession,
  CoatcheckError,
  type Session,
  type SessionData,
  type Sessions,
  type SessionsOptions,
} from "../index.ts";
import { commitFailed, commitResponse, respondToError } from "./commit-response.ts";
import { type CsrfCheckOptions, csrfCheck } from "./csrf.ts";
import {
  checkAdapterOptions,
  foreignSessionError,
  isCoatcheckError,
  modeOf,
  openOptions,
  PROPERTY_NAMES,
  type PropertyOptions,
  sessionsFrom,
  shownError,
  statusOf,
} from "./options.ts";
import { describesBody } from "./session-headers.ts";

export interface ElysiaOptions<Property extends string = "session"> extends PropertyOptions<Request> {
  /** The session's name in the context. Two kinds of sessions in one application need two names. Default: `"session"`. */
  property?: Property;
}

/** A session that is open for a request. */
interface Opened {
  readonly session: AdapterSession;
  readonly property: string;
  readonly saveFailed: boolean;
}

/** What is used of a context. Elysia looks into a function's text, and parses bodies for those that may use them. */
interface UsedContext {
  request: Request;
  set: { status?: number | string; headers: Record<string, unknown> };
  response?: unknown;
  responseValue: unknown;
  error?: unknown;
}

const openSessions = new WeakMap<Request, Opened[]>();
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
          if (mode !== undefined) await outer.changeMode(mode === "none" ? "readonly" : mode);
          return place(mode === "none" ? undefined : outer);
        }
        const other = among.find((one) => one.property === property);
        if (other !== undefined) throw foreignSessionError(property, other.session, "context");
        if (mode === "none") return place();
        const session = await sessions.openMaybeSync(request, openOptions(options, request, mode));
        among.push({ session: session as unknown as AdapterSession, property, saveFailed });
        return place(session);
      } catch (error) {
        throw prepared(error, set);
      }
    })
    .mapResponse({ as: "scoped" }, commitSessions);
}

/** Commits where Elysia still handles errors. What remains is committed when the response is there. */
async function commitSessions(context: UsedContext): Promise<void> {
  const { request, set, responseValue, error } = context;
  // A generator runs until its first value before the response begins.
  const isGenerator = typeof (responseValue as Iterator<unknown> | null)?.next === "function";
  if (error !== undefined || isGenerator || statusOfValue(responseValue, set.status) >= 500) return;
  try {
    for (const { session } of openSessions.get(request) ?? []) await session.commit();
  } catch (error) {
    // With a response, Elysia shows all that is in the error.
    context.response = undefined;
    throw prepared(error, set);
  }
}

/** Around everything that Elysia does for a request. */
function withSessions(handle: (request: Request) => Response | Promise<Response>) {
  return async (request: Request): Promise<Response> => {
    if (openSessions.has(request)) return handle(request);
    const opened: Opened[] = [];
    openSessions.set(request, opened);
    try {
      let response = await handle(request);
      // Bun upgrades to a WebSocket without one.
      const hasResponse = response !== undefined;
      for (const { session, saveFailed } of opened) {
        if (hasResponse) response = await commitResponse(session, { saveFailed }, () => response, respond);
        else await session.commit();
      }
      return response;
    } catch (error) {
      for (const { session, saveFailed } of opened) await commitFailed(session, saveFailed);
      throw error;
    } finally {
      openSessions.delete(request);
    }
  };
}

function respond(error: unknown): Response {
  if (isCoatcheckError(error)) return respondToError(error);
  throw error;
}

/** The error for Elysia, which shows its message. The response loses what was set for the body that is not sent. */
function prepared(error: unknown, set: UsedContext["set"]): unknown {
  for (const [name, value] of Object.entries(set.headers)) if (describesBody(name, value)) delete set.headers[name];
  set.status = statusOf(error);
  if (isCoatcheckError(error)) Object.assign(set.headers, error.headers);
  return shownError(error);
}

function statusOfValue(value: unknown, status: number | string = 200): number {
  if (value instanceof Response) return value.status;
  if (value instanceof ElysiaCustomStatusResponse) return Number(value.code);
  return typeof status === "number" ? status : StatusMap[status as keyof StatusMap];
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
  return (context: { request: Request; body: unknown; query: unknown; set: UsedContext["set"] }): void => {
    try {
      check(context.request.method, context, { body: context.body, query: context.query });
    } catch (error) {
      throw prepared(error, context.set);
    }
  };
}
