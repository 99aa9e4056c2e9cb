import { STATUS_CODES } from "node:http";
import {
  type CookieSource,
  createSessions,
  type Mode,
  type OpenOptions,
  type Session,
  type SessionData,
  type Sessions,
  type SessionsOptions,
} from "../index.ts";

/** What the routes of every framework can say. */
export interface AdapterOptions<Request> {
  /**
   * How requests use their session, or a function that says so for each. `"none"` opens no session at all:
   * for health checks and files. Default: the application's `mode`.
   */
  mode?: RouteMode | ((request: Request) => RouteMode | undefined);
  /** Keep the changes of a request that fails, that is, throws or answers with a status of 500 or more. Default: false. */
  saveFailed?: boolean;
}

export type RouteMode = Mode | "none";

/** An adapter takes sessions, or the options to make them of. */
export function sessionsFrom<Data extends object = SessionData>(
  given: Sessions<Data> | SessionsOptions<Data> | undefined,
): Sessions<Data> {
  return given !== undefined && "open" in given ? given : createSessions(given);
}

/** The open options of a request, or undefined if it gets no session. */
export function openOptions<Request>({ mode }: AdapterOptions<Request>, request: Request): { mode?: Mode } | undefined {
  const chosen = typeof mode === "function" ? mode(request) : mode;
  if (chosen === "none") return undefined;
  return chosen === undefined ? NO_OPTIONS : { mode: chosen };
}

const NO_OPTIONS = {};

/** Opens a request's session and goes on with it, at once if it is there at once. */
export function openThen<Data extends object>(
  sessions: Sessions<Data>,
  source: CookieSource,
  options: OpenOptions,
  start: (session: Session<Data>) => void,
  fail: (error: Error) => void,
): void {
  let opened: Session<Data> | Promise<Session<Data>>;
  try {
    opened = sessions.openAtOnce(source, options);
  } catch (error) {
    fail(error as Error);
    return;
  }
  if (opened instanceof Promise) opened.then(start, fail);
  else start(opened);
}

/** The status of an error that is answered by whoever has no error handler of its own. */
export function statusOf(error: unknown): number {
  const status = (error as { status?: unknown } | null)?.status;
  return typeof status === "number" && status >= 400 && status < 600 ? status : 500;
}

/** The store may be back, or the session free, in a moment. */
export function isWorthRetrying(status: number): boolean {
  return status === 503 || status === 429;
}

export function textOf(status: number): string {
  const name = STATUS_CODES[status] ?? STATUS_CODES[500];
  return isWorthRetrying(status) ? `${name}: try again in a moment.\n` : `${name}\n`;
}
