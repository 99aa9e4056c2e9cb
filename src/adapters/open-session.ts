// Opens a request's session, or shares the one that is open already.

import type { AdapterSession, CookieSource, OpenOptions, Sessions } from "../index.ts";
import type { RouteMode } from "./options.ts";

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

/** Gives a session that is open already the mode of a route. Undefined: nothing has to be waited for. */
export function changeMode(
  session: Pick<AdapterSession, "changeMode">,
  mode: RouteMode | undefined,
): Promise<void> | undefined {
  // A session that is open can't be closed unseen, but it can be kept from changing.
  return mode === undefined ? undefined : session.changeMode(mode === "none" ? "readonly" : mode);
}

/** The same for callers without promises. `done` is called synchronously, if nothing has to be waited for. */
export function changeModeThen(
  session: Pick<AdapterSession, "changeMode">,
  mode: RouteMode | undefined,
  done: (error?: unknown) => void,
): void {
  let change: Promise<void> | undefined;
  try {
    change = changeMode(session, mode);
  } catch (error) {
    done(error);
    return;
  }
  if (change === undefined) done();
  else change.then(() => done(), done);
}

/**
 * Runs what follows a middleware that finds its session open, in the mode of a route. `"none"` hides the session from it.
 *
 * @param place has the session under `property`.
 */
export async function shareSession<T>(
  session: Pick<AdapterSession, "changeMode">,
  mode: RouteMode | undefined,
  place: Record<string, unknown>,
  property: string,
  next: () => T | Promise<T>,
): Promise<T> {
  await changeMode(session, mode);
  if (mode !== "none") return next();
  place[property] = undefined;
  try {
    return await next();
  } finally {
    place[property] = session;
  }
}

/** Ends the use of a session that can't be committed, which may lock others out. */
export function letGo(session: Pick<AdapterSession, "discard" | "commit">): void {
  session.discard();
  Promise.resolve(session.commit()).catch(() => {}); // reported by the resilient store
}

/** Sessions have a `then` that is undefined, which is faster to see than the prototypes that `instanceof` walks. */
function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  return (value as Promise<T>).then !== undefined;
}
