// How React Router shows an error of a session.

import { ownError, respondToError } from "../error-response.ts";

/** React Router shows a thrown response's status and text, where an error's status would be lost. */
export function responseTo(error: unknown): Response {
  return respondToError(ownError(error));
}

/** True for the response to a page or to a request for its data, and for a redirect from there. A resource route has none. */
export function hasBoundary({ status, headers }: Response): boolean {
  const isPage = headers.get("content-type")?.startsWith("text/html") ?? false;
  return isPage || headers.has("x-remix-response") || (status >= 300 && status < 400);
}
