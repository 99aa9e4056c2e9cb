// The ticket in a header of its own, for clients that keep no cookies: mobile applications and APIs.

import { OptionError } from "../errors.ts";
import { checkNames, type OptionNames } from "../util/option-names.ts";
import { type CookieSource, headerOf } from "./request-source.ts";
import { TICKET_CHARS } from "./ticket.ts";

/** Made by `header()`. */
export interface HeaderTransport {
  /** The header's name, in lower case. */
  readonly header: string;
  /** True if requests without the header use the cookie. */
  readonly cookies: boolean;
}

export interface HeaderTransportOptions {
  /** False for an API that no browser uses: the ticket travels in the header only, and no cookie is read. Default: true. */
  cookies?: boolean;
}

/** What a client sends that has no ticket yet. */
const NONE_YET = /^(new)?$/i;
const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/;
const BEARER = /^bearer(?: +|$)/i;
// These have a meaning of their own in every request or response.
const TAKEN = /^(cookie|set-cookie|host|content-.*|transfer-encoding|connection|vary|cache-control|date|te|trailer)$/i;
const NAMES: OptionNames<HeaderTransportOptions> = { cookies: "boolean" };

/**
 * The ticket travels in a header, beside the cookie: `createSessions({ transport: header("x-session") })`. A client that
 * sends this header gets its ticket in the same header of the response, and no cookie. Its first request says
 * `X-Session: new`. An empty header in a response ends the session: the client forgets its ticket. With the name
 * `authorization`, both directions have the scheme `Bearer` (RFC 6750).
 *
 * @throws OptionError if the name can't be that of a header, or is taken.
 */
export function header(name: string, options: HeaderTransportOptions = {}): HeaderTransport {
  checkNames("header()", options, NAMES);
  if (typeof name !== "string" || !TOKEN.test(name) || TAKEN.test(name)) {
    throw new OptionError("transport", name, 'give a name that no other header has: header("x-session").');
  }
  return { header: name.toLowerCase(), cookies: options.cookies ?? true };
}

/** The transport of the options, checked again: `header()` may not have made it. @throws OptionError */
export function checkedTransport(transport: HeaderTransport | undefined): HeaderTransport | undefined {
  if (transport === undefined) return undefined;
  if (typeof transport !== "object" || transport === null) {
    throw new OptionError("transport", transport, 'give header("x-session").');
  }
  return header(transport.header, { cookies: transport.cookies });
}

/**
 * The ticket in a request's header; an empty text if the client has none yet. Undefined: the request uses its cookie. What
 * is no ticket in `Authorization` belongs to another kind of authentication.
 */
export function ticketInHeader(transport: HeaderTransport | undefined, source: CookieSource): string | undefined {
  if (transport === undefined) return undefined;
  const given = typeof source === "object" && source !== null ? headerOf(source, transport.header)?.trim() : undefined;
  const text = given !== undefined && isBearer(transport) ? bearerToken(given) : given;
  if (text === undefined) return transport.cookies ? undefined : "";
  return NONE_YET.test(text) ? "" : text;
}

/** The header's value that hands out a ticket, or that clears it. */
export function headerValue(transport: HeaderTransport, ticket: string): string {
  return ticket !== "" && isBearer(transport) ? `Bearer ${ticket}` : ticket;
}

function isBearer({ header }: HeaderTransport): boolean {
  return header === "authorization";
}

function bearerToken(value: string): string | undefined {
  if (!BEARER.test(value)) return undefined;
  const token = value.replace(BEARER, "");
  return NONE_YET.test(token) || (token.length >= TICKET_CHARS && /^[\w-]+$/.test(token)) ? token : undefined;
}
