// What a page fetches from its own application has the session of the page.

import { AsyncLocalStorage } from "node:async_hooks";
import type { RequestEvent } from "@sveltejs/kit";
import type { AdapterSession, Sessions } from "../../index.ts";

/** The sessions of the page that runs, and of what it fetches. */
const openSessions = new AsyncLocalStorage<readonly object[]>();

/** Does the work of a page, of which sub-requests find the session. */
export function runWith<T>(session: object, work: () => T): T {
  return openSessions.run([...(openSessions.getStore() ?? []), session], work);
}

/** The session of the page that has asked for this. Undefined: no page has, or without cookies. */
export function sessionOfPage<Data extends object>(
  sessions: Sessions<Data>,
  event: RequestEvent,
): AdapterSession<Data> | undefined {
  if (!sharesSession(event)) return undefined;
  return openSessions.getStore()?.find((one) => sessions.owns(one));
}

/** True for what `event.fetch` asks of the application itself, unless it is to be asked without cookies. */
function sharesSession({ isSubRequest, request }: RequestEvent): boolean {
  return isSubRequest && request.credentials !== "omit";
}
