// The sessions that are open for a request, so that an inner handler shares the one of the handler around it.

import type { AdapterSession, Sessions } from "../index.ts";

/** The open sessions of all requests that run. A request may have several kinds of sessions. */
export class OpenSessions {
  readonly #ofRequests = new WeakMap<object, readonly object[]>();

  /** The session of these sessions that is open for a request. */
  find<Data extends object>(sessions: Sessions<Data>, request: object): AdapterSession<Data> | undefined {
    return this.#ofRequests.get(request)?.find((one) => sessions.owns(one));
  }

  add(request: object, session: object): void {
    this.#ofRequests.set(request, [...(this.#ofRequests.get(request) ?? []), session]);
  }

  remove(request: object, session: object): void {
    const others = this.#ofRequests.get(request)?.filter((one) => one !== session) ?? [];
    if (others.length > 0) this.#ofRequests.set(request, others);
    else this.#ofRequests.delete(request);
  }
}
