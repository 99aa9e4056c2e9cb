// What is known of a request before its session is opened.

import type { CookieSource } from "../cookies/request-source.ts";
import type { Mode } from "../session.ts";
import type { RequestTakeover } from "../takeover/request-takeover.ts";

export interface RequestInfo {
  readonly source: CookieSource;
  readonly mode: Mode | "off";
  /** True if the request came over https, as far as the cookie depends on it. */
  readonly secure: boolean;
  /** False for a request that must not extend the session's life, such as one by which a page polls. */
  readonly extend: boolean;
  /** True if the ticket travels in a header: the client keeps no cookies. */
  readonly usesHeader: boolean;
  /** The browser's revision cookies. */
  readonly revisions: readonly string[];
  /** True if the store could not be asked: the session is empty, and refuses to be written. */
  readonly storeIsDown?: boolean;
  /** True if no response follows that could give the browser a cookie: a message on an open connection. */
  readonly isDetached?: true;
  /** What a cached entry must at least have, where that is known without the browser. */
  readonly minRevision?: number;
  /** What the request has to do with another package's sessions. */
  readonly legacy?: RequestTakeover;
  /** Store keys of the presented tickets that have no session (any more). */
  readonly endedKeys?: readonly string[];
}
