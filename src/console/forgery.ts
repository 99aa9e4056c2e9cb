// Refuses requests that a page of another site may have sent in the name of an administrator.

import { isOfHost } from "../request/csrf.ts";
import { type Answer, failure } from "./answer.ts";
import { type ConsoleRequest, header } from "./request.ts";

const OWN_HEADER = "x-coatcheck-console";

/** The answer to a request that is refused, or undefined. */
export function forgeryIn(request: ConsoleRequest): Answer | undefined {
  const reason = reasonIn(request);
  return reason === undefined ? undefined : failure(403, reason);
}

/**
 * A page of another site can't send JSON, nor a header of its own, without being
 * allowed to: nobody allows it. The browser says beside that where the request comes from.
 */
function reasonIn(request: ConsoleRequest): string | undefined {
  if (!/^application\/json\s*(;|$)/i.test(header(request, "content-type") ?? "")) {
    return "The request needs the content type application/json.";
  }
  if (header(request, OWN_HEADER) !== "1") return `The request needs the header ${OWN_HEADER}: 1.`;
  const site = header(request, "sec-fetch-site");
  if (site !== undefined) return site === "same-origin" ? undefined : "The request comes from another origin.";
  const origin = header(request, "origin");
  if (origin !== undefined && isOfHost(request.source as Parameters<typeof isOfHost>[0], origin)) return undefined;
  return "The request does not say that it comes from the console's page (Sec-Fetch-Site, Origin).";
}
