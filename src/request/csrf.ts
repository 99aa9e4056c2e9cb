// Cross-site request forgery: what a request's headers say of where it comes from.

import { type CookieSource, headerOf } from "../cookies/request-source.ts";
import type { Ticket } from "../cookies/ticket.ts";
import { CsrfError } from "../errors.ts";
import type { CsrfOptions } from "../session.ts";
import type { SessionContext } from "./context.ts";
import type { RequestInfo } from "./request-info.ts";

/** The field of a form, of JSON or of a query that has the token. */
const CSRF_FIELD = "_csrf";
const CSRF_HEADER = "x-csrf-token";
const NOTHING = [undefined, null, ""] as readonly unknown[];

// Requests that must not have effects.
const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

/**
 * True if the headers leave it open, and the token decides. Browsers of today send `Sec-Fetch-Site`, older ones `Origin`;
 * neither can be set by a page. What is same-site and not same-origin, such as a subdomain, is another application.
 *
 * @param origins those of pages that may send requests although they are not of this host.
 * @throws CsrfError if the request comes from a page of another origin.
 */
export function csrfTokenDecides({ source, usesHeader }: RequestInfo, origins: readonly string[]): boolean {
  // No page of another site can set the header that has the ticket.
  if (usesHeader) return false;
  if (typeof source !== "object" || source === null) return true;
  if (SAFE_METHODS.has((source as { method?: string }).method?.toUpperCase() ?? "POST")) return false;
  const origin = headerOf(source, "origin");
  if (origin !== undefined && origins.includes(origin)) return false;
  const site = headerOf(source, "sec-fetch-site");
  // "none": the user began it, such as by a bookmark. A page can't.
  if (site === "same-origin" || site === "none") return false;
  if (site !== undefined) throw new CsrfError("it comes from another origin (Sec-Fetch-Site)");
  // What has no origin that a page may know, as in a sandbox, or after a redirect by another site.
  if (origin === undefined || origin === "null") return true;
  if (isOfHost(source, origin)) return false;
  throw new CsrfError("its Origin is that of another host");
}

/** The token of a request: of its header, or of what the framework has parsed. Undefined: there is none. */
function csrfTokenOf(source: CookieSource, { body, query }: CsrfOptions): unknown {
  const header = typeof source === "object" && source !== null ? headerOf(source, CSRF_HEADER) : undefined;
  return [header, fieldOf(body), fieldOf(query)].find((token) => !NOTHING.includes(token));
}

/**
 * Checks the token of a request.
 *
 * @param ticket the browser's. Undefined: it has none.
 * @throws CsrfError unless the request has a token for it.
 */
export function checkCsrfToken(
  { csrfTokens }: SessionContext,
  { source }: RequestInfo,
  ticket: Ticket | undefined,
  options: CsrfOptions,
): void {
  const token = csrfTokenOf(source, options);
  if (ticket === undefined || !csrfTokens.verify(ticket, token)) throw csrfTokenError(token !== undefined);
}

function csrfTokenError(hasToken: boolean): CsrfError {
  return new CsrfError(
    hasToken
      ? "its token is of another session, or from before a login. Load the page again"
      : `it says neither where it comes from (Sec-Fetch-Site, Origin), nor has it a token (${CSRF_FIELD}, X-CSRF-Token)`,
  );
}

/** Of an object, or of `FormData` and `URLSearchParams`. */
function fieldOf(parsed: unknown): unknown {
  if (typeof parsed !== "object" || parsed === null) return undefined;
  const { get } = parsed as { get?: unknown };
  if (typeof get === "function") return get.call(parsed, CSRF_FIELD);
  return (parsed as Record<string, unknown>)[CSRF_FIELD];
}

/**
 * A proxy may have replaced the host, and say in a header what it was. A page can't set that header for another site: it
 * would need that site's permission (CORS).
 */
export function isOfHost(source: CookieSource & object, origin: string): boolean {
  const host = /^https?:\/\/([^/]+)$/i.exec(origin)?.[1]?.toLowerCase();
  return host !== undefined && hostsOf(source).some((one) => one.trim().toLowerCase() === host);
}

function hostsOf(source: CookieSource & object): string[] {
  const { url = "" } = source as { url?: string };
  const hosts = [headerOf(source, "host"), headerOf(source, "x-forwarded-host")?.split(",")[0]];
  // Of HTTP/2, and of runtimes whose requests have no such header.
  const ofProtocol =
    "authority" in source ? String(source.authority) : URL.canParse(url) ? new URL(url).host : undefined;
  return [...hosts, ofProtocol].filter((host) => host !== undefined);
}
