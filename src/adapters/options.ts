// The options that all adapters have, and what they say of one request.

import {
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
