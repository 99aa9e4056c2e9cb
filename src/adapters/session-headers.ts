// The headers of a response that depends on a session.

import type { OutgoingHttpHeader, OutgoingHttpHeaders } from "node:http";
import type { Session, TicketHeader } from "../index.ts";

/** What this file needs of a response. Engine.IO's has no `appendHeader`. */
export interface HeaderTarget {
  getHeader(name: string): OutgoingHttpHeader | undefined;
  setHeader(name: string, value: string | string[]): unknown;
  appendHeader?(name: string, value: string[]): unknown;
}

// A cache must not give one user's ticket to another user. CDNs obey their own headers before Cache-Control.
const NOT_STORED = ["Cache-Control", "CDN-Cache-Control", "Surrogate-Control"];
const NOT_STORED_IF_SET = ["Cloudflare-CDN-Cache-Control", "Vercel-CDN-Cache-Control"];
const NOT_STORED_NAMES = new Set([...NOT_STORED, ...NOT_STORED_IF_SET].map((name) => name.toLowerCase()));

/** What the headers of a response say of its session. */
export type SessionUse = Pick<Session, "isUsed" | "ticketHeader"> & {
  /** True: the response gets the cookies and no other header. */
  readonly cookiesOnly?: true;
};

/** Sets the headers of a response that gives its client a ticket, or that used a session. */
export function setSessionHeaders(
  res: HeaderTarget,
  cookies: readonly string[],
  { isUsed, ticketHeader, cookiesOnly }: SessionUse,
): void {
  if (cookiesOnly) {
    if (cookies.length > 0) appendCookies(res, cookies);
    return;
  }
  const ticket = ticketHeader?.value;
  if (cookies.length > 0 || ticket !== undefined) {
    if (cookies.length > 0) appendCookies(res, cookies);
    if (ticket !== undefined) res.setHeader(ticketHeader!.name, ticket);
    for (const name of NOT_STORED) res.setHeader(name, "no-store");
    for (const name of NOT_STORED_IF_SET) if (res.getHeader(name) !== undefined) res.setHeader(name, "no-store");
  } else if (!isUsed) {
    return;
  } else if (res.getHeader("cache-control") === undefined) {
    res.setHeader("Cache-Control", "private");
  }
  res.setHeader("Vary", varyBy(res.getHeader("vary"), ticketHeader));
}

/** Adds cookies to those that are set. One that is set already, since the response to an error passes here again, is not. */
export function appendCookies(res: HeaderTarget, cookies: readonly string[]): void {
  const header = res.getHeader("set-cookie");
  const others = header === undefined ? [] : [header].flat().map(String);
  const added = cookies.filter((cookie) => !others.includes(cookie));
  if (added.length === 0) return;
  if (typeof res.appendHeader === "function") res.appendHeader("Set-Cookie", added);
  else res.setHeader("Set-Cookie", [...others, ...added]);
}

/** A value of the header Vary that names the headers by which a ticket comes. */
function varyBy(vary: OutgoingHttpHeader | null | undefined, ticketHeader: TicketHeader | undefined): string {
  const byCookie = withName(vary ? String(vary) : "", "Cookie");
  return ticketHeader === undefined ? byCookie : withName(byCookie, ticketHeader.name);
}

function withName(vary: string, name: string): string {
  if (vary === "") return name;
  const names = vary.split(",").map((one) => one.trim().toLowerCase());
  return names.includes("*") || names.includes(name.toLowerCase()) ? vary : `${vary}, ${name}`;
}

/**
 * The arguments of `writeHead`, with the session's headers. Headers that are given to `writeHead` replace those set
 * before, so what `setSessionHeaders` has set would be lost.
 */
export function withSessionHeaders(
  args: readonly unknown[],
  cookies: readonly string[],
  { ticketHeader, cookiesOnly }: Omit<SessionUse, "isUsed">,
): unknown[] {
  const givesTicket = cookies.length > 0 || ticketHeader?.value !== undefined;
  return args.map((argument) => {
    const given = headersIn(argument);
    if (given === undefined) return argument;
    const names = given.map(([name]) => lower(name));
    if (cookiesOnly) {
      if (!names.includes("set-cookie")) return Array.isArray(argument) ? given.flat() : argument;
      return [...given, ...cookies.map((cookie) => ["Set-Cookie", cookie])].flat();
    }
    const vary = names.lastIndexOf("vary");
    if (vary !== -1) given[vary] = ["Vary", varyBy(given[vary]![1] as OutgoingHttpHeader, ticketHeader)];
    // Beside headers that were set before, Node takes no nested list: it is flattened in any case.
    if (!givesTicket) return vary === -1 && !Array.isArray(argument) ? argument : given.flat();
    const headers = given.map((header, i) => (NOT_STORED_NAMES.has(names[i]!) ? [header[0], "no-store"] : header));
    if (names.includes("set-cookie")) for (const cookie of cookies) headers.push(["Set-Cookie", cookie]);
    return headers.flat();
  });
}

/** The headers that one argument of `writeHead` gives; undefined: it is not one with headers. */
export function headersIn(argument: unknown): [string, unknown][] | undefined {
  if (typeof argument !== "object" || argument === null) return undefined;
  return Array.isArray(argument) ? pairs(argument) : Object.entries(argument as OutgoingHttpHeaders);
}

/** The names and values of a flat or a nested list. `writeHead` takes both. */
function pairs(list: unknown[]): [string, unknown][] {
  if (Array.isArray(list[0])) return [...(list as [string, unknown][])];
  return Array.from({ length: list.length / 2 }, (_, i) => [list[2 * i] as string, list[2 * i + 1]]);
}

function lower(name: unknown): string {
  return String(name).toLowerCase();
}
