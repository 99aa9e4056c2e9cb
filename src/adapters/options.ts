// What all adapters share: their options, opening a session, and the response to an error.

import {
  type AdapterSession,
  CoatcheckError,
  type CookieSource,
  createSessions,
  type Mode,
  type OpenOptions,
  OptionError,
  type SessionData,
  type Sessions,
  type SessionsOptions,
} from "../index.ts";
import { checkNames, type OptionHints, type OptionNames } from "../util/option-names.ts";

/** The options that the adapters of all frameworks have. */
export interface AdapterOptions<Request> {
  /**
   * How requests use their session, or a function that gives the mode of each request. `"none"` opens no session, for health
   * checks and files. Where `session()` runs a second time for a request, as for a route, its mode takes the place of the
   * first one's. Default: the `mode` of the sessions.
   */
  mode?: RouteMode | ((request: Request) => RouteMode | undefined);
  /**
   * False, or a function that gives false: the request does not extend the session's life, unless it changes the session
   * or holds it exclusively. So a page that polls does not keep its user logged in. Where `session()` runs a second time for a request, the
   * first one counts. Default: true.
   */
  extend?: boolean | ((request: Request) => boolean | undefined);
  /** Saves the changes of a request that fails: one that throws, or responds with status 500 or above. Default: false. */
  saveFailed?: boolean;
}

/** The options of adapters that add the session to the framework's request. */
export interface PropertyOptions<Request> extends AdapterOptions<Request> {
  /** Where the request has its session. Two kinds of sessions on one request need two names. Default: `"session"`. */
  property?: string;
}

/** What reports changes in place that come too late. */
export type LateChanges = Pick<AdapterSession, "watchesLateChanges" | "reportLateChanges">;

/** How a route uses the session. `"none"`: it has no session. */
export type RouteMode = Mode | "none";

export const ADAPTER_NAMES: OptionNames<AdapterOptions<never>> = { mode: true, extend: true, saveFailed: "boolean" };
export const PROPERTY_NAMES: OptionNames<PropertyOptions<never>> = { ...ADAPTER_NAMES, property: true };

const ROUTE_MODES: readonly unknown[] = ["merge", "exclusive", "readonly", "none"] satisfies RouteMode[];
const OF_SESSIONS = "it belongs to createSessions(), or into the first argument of session().";
const HINTS: OptionHints = {
  store: OF_SESSIONS,
  secret: OF_SESSIONS,
  cookie: OF_SESSIONS,
  idleTimeout: OF_SESSIONS,
  absoluteTimeout: OF_SESSIONS,
  policy: OF_SESSIONS,
  maxPerOwner: OF_SESSIONS,
  renewAfter: OF_SESSIONS,
  exclusive: OF_SESSIONS,
  onStoreError: OF_SESSIONS,
};

/** @throws OptionError if an option of an adapter is misspelt, or its mode is none. */
export function checkAdapterOptions<Options extends AdapterOptions<never>>(
  options: Options,
  names: OptionNames<Options>,
): void {
  checkNames("session()", options, names, HINTS);
  const { mode, extend } = options;
  if (extend !== undefined && typeof extend !== "boolean" && typeof extend !== "function") {
    throw new OptionError("extend", extend, "give true, false, or a function of the request.");
  }
  if (mode === undefined || typeof mode === "function" || ROUTE_MODES.includes(mode)) return;
  throw new OptionError(
    "mode",
    mode,
    `use ${ROUTE_MODES.map((one) => `"${one}"`).join(", ")}, or a function of the request.`,
  );
}

/** The sessions that an adapter was given, or new ones from the options that it was given. */
export function sessionsFrom<Data extends object = SessionData>(
  given: Sessions<Data> | SessionsOptions<Data> | undefined,
): Sessions<Data> {
  return typeof given === "object" && given !== null && "open" in given ? given : createSessions(given);
}

/** The mode that the options give a request. */
export function modeOf<Request>({ mode }: AdapterOptions<Request>, request: Request): RouteMode | undefined {
  return typeof mode === "function" ? mode(request) : mode;
}

/** The options to open a session with. `secure`: how the request came, if the framework knows. */
export function openOptions<Request>(
  { extend }: AdapterOptions<Request>,
  request: Request,
  mode: Mode | undefined,
  secure?: boolean,
): OpenOptions {
  if (extend === undefined && secure === undefined && mode === undefined) return NO_OPTIONS;
  const extends_ = typeof extend === "function" ? extend(request) : extend;
  return {
    ...(mode && { mode }),
    ...(extends_ === false && { extend: false }),
    ...(secure !== undefined && { secure }),
  };
}

const NO_OPTIONS: OpenOptions = {};

/** Opens a request's session and calls `start` with it: synchronously, if the session can be opened synchronously. */
export function openThen<Data extends object>(
  sessions: Sessions<Data>,
  source: CookieSource,
  options: OpenOptions,
  start: (session: AdapterSession<Data>) => void,
  fail: (error: Error) => void,
): void {
  let opened: AdapterSession<Data> | Promise<AdapterSession<Data>>;
  try {
    opened = sessions.openMaybeSync(source, options);
  } catch (error) {
    fail(error as Error);
    return;
  }
  if (isPromise(opened)) opened.then(start, fail);
  else start(opened);
}

/**
 * Gives a session that is open already the mode of a route, and calls `done`: synchronously, if nothing has to be waited
 * for.
 */
export function changeModeThen(
  session: Pick<AdapterSession, "changeMode">,
  mode: RouteMode | undefined,
  done: (error?: unknown) => void,
): void {
  let change: Promise<void> | undefined;
  try {
    // A session that is open can't be closed unseen, but it can be kept from changing.
    if (mode !== undefined) change = session.changeMode(mode === "none" ? "readonly" : mode);
  } catch (error) {
    done(error);
    return;
  }
  if (change === undefined) done();
  else change.then(() => done(), done);
}

/** Ends the use of a session that can't be committed, which may lock others out. */
export function letGo(session: Pick<AdapterSession, "discard" | "commit">): void {
  session.discard();
  Promise.resolve(session.commit()).catch(() => {}); // reported by the resilient store
}

/** The error for a request that has something else where its session should be: `req.session`, or that of another place. */
export function foreignSessionError(property: string, found: unknown, place = "req"): CoatcheckError {
  const isOurs = typeof (found as Partial<AdapterSession> | undefined)?.changeMode === "function";
  const what = isOurs
    ? "is a session of other sessions"
    : "is set already, by another package for sessions, such as express-session or cookie-session";
  const fix = isOurs
    ? `Give one of them a name of its own: session(adminSessions, { property: "adminSession" })`
    : `Remove that package, or give this session a name of its own: session(sessions, { property: "coat" })`;
  return new CoatcheckError("COATCHECK_PROPERTY", `coatcheck: ${place}.${property} ${what}. ${fix}.`);
}

/** The error for a request on which something was assigned in the place of its session. */
export function replacedSessionError(request: string, property: string): CoatcheckError {
  const name = `${request}.${property}`;
  return new CoatcheckError(
    "COATCHECK_PROPERTY",
    `coatcheck: something was assigned to ${name}, so the session's changes were dropped. To end the session call await ${name}.destroy(); what the application keeps goes into ${name}.data.`,
  );
}

/** Sessions have a `then` that is undefined, which is faster to see than the prototypes that `instanceof` walks. */
function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  return (value as Promise<T>).then !== undefined;
}

/** True for an error of coatcheck, also for one of another copy: frameworks put a copy of it into each of their bundles. */
export function isCoatcheckError(error: unknown): error is CoatcheckError {
  return error instanceof Error && String((error as Partial<CoatcheckError>).code).startsWith("COATCHECK_");
}

/** The status of the response to an error, for frameworks without an error handler. */
export function statusOf(error: unknown): number {
  const status = (error as { status?: unknown } | null)?.status;
  return typeof status === "number" && status >= 400 && status < 600 ? status : 500;
}

/** True for an error that is thrown as an answer, with a status below 500, as frameworks do for 404. */
export function isAnswer(error: unknown): boolean {
  const status = (error as { status?: unknown } | null | undefined)?.status;
  return typeof status === "number" && status >= 100 && status < 500;
}

/**
 * For frameworks that show an error's message to the client, whoever that is. The store's own words, with addresses and users' names,
 * are for the log. The error is of the same class, and has the same code and status; the original is its cause.
 */
export function shownError(error: unknown): Error {
  if (!(error instanceof CoatcheckError) || error.status !== 503) return error as Error;
  const { code, name, status } = error;
  const shown = new CoatcheckError(code, textOf(status).trim(), { status, cause: error });
  shown.name = name;
  return Object.setPrototypeOf(shown, Object.getPrototypeOf(error));
}

/** True if a retry may succeed: the store may be up again soon, or the session free. */
export function isWorthRetrying(status: number): boolean {
  return status === 503 || status === 429;
}

/** The names of the statuses that coatcheck's errors have. Not from node:http, which not every runtime has. */
const STATUS_NAMES: Readonly<Record<number, string>> = {
  401: "Unauthorized",
  403: "Forbidden",
  429: "Too Many Requests",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

/** The text of the response to an error. It names nothing of the server: the error's own message may. */
export function textOf(status: number): string {
  const name = STATUS_NAMES[status] ?? STATUS_NAMES[500];
  return isWorthRetrying(status) ? `${name}: try again in a moment.\n` : `${name}\n`;
}
