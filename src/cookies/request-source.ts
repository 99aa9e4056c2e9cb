// Reads a request: its cookies, whether it came over https, and whether its client is still there.

import type { IncomingMessage } from "node:http";
import { ClientGoneError } from "../errors.ts";
import type { Ticket } from "./ticket.ts";

/** Where a request's cookies are: a `Request`, an `IncomingMessage` (Node, Express, Fastify's `raw`), or a Cookie header. */
export type CookieSource = RequestLike | Pick<IncomingMessage, "headers" | "socket"> | string | null | undefined;

interface RequestLike {
  readonly headers: { get(name: string): string | null };
  readonly url: string;
  readonly signal?: AbortSignal;
}

/** Calls `gone` once when the client has left, immediately if it has already. Returns a function that stops listening. */
export type OnClientGone = (gone: (error: unknown) => void) => () => void;

export function cookieHeader(source: CookieSource): string | null | undefined {
  if (typeof source !== "object" || source === null) return source;
  return isRequest(source) ? source.headers.get("cookie") : source.headers.cookie;
}

/**
 * True if the request came over https, here or to a proxy in front. A client that forges a proxy's header only gets a
 * cookie that it will send back over https alone.
 */
export function isSecure(source: CookieSource): boolean {
  if (typeof source !== "object" || source === null) return false;
  const ownProtocol = isRequest(source)
    ? source.url.startsWith("https:")
    : (source.socket as { encrypted?: boolean } | null | undefined)?.encrypted === true;
  return ownProtocol || PROXY_HEADERS.some(([name, saysHttps]) => saysHttps.test(headerOf(source, name) ?? ""));
}

/** A header's text; undefined if the request has none of this name. A list of several headers is joined by commas. */
export function headerOf(source: CookieSource & object, name: string): string | undefined {
  const value = isRequest(source) ? source.headers.get(name) : source.headers[name];
  return value === null || value === undefined ? undefined : String(value);
}

/**
 * The headers by which proxies say that the browser is on https. Several proxies make a list, and the first of them saw
 * the browser. `Forwarded` is RFC 7239; IIS with ARR names the certificate of its TLS connection.
 */
const PROXY_HEADERS: readonly (readonly [string, RegExp])[] = [
  ["x-forwarded-proto", /^\s*(https|wss)\s*(,|$)/i],
  ["forwarded", /^(?:[^,"]|"[^"]*")*?(?<![^;\s])proto\s*=\s*"?(?:https|wss)"?\s*(?:[;,]|$)/i],
  ["x-forwarded-ssl", /^\s*on\s*(,|$)/i],
  ["x-arr-ssl", /\S/],
];

/** Notifies when the client of a request goes away. Undefined if the source does not know its client. */
export function onClientGone({ key }: Ticket, source: CookieSource): OnClientGone | undefined {
  if (typeof source !== "object" || source === null) return undefined;
  return (gone) => {
    const leave = () => gone(new ClientGoneError(key));
    if (isRequest(source)) {
      const { signal } = source;
      if (signal?.aborted) leave();
      signal?.addEventListener("abort", leave, { once: true });
      return () => signal?.removeEventListener("abort", leave);
    }
    // In HTTP/2 requests share a connection, and each has a stream of its own.
    const channel = (source as { stream?: IncomingMessage["socket"] }).stream ?? source.socket;
    if (channel?.destroyed) leave();
    channel?.once("close", leave);
    return () => void channel?.off("close", leave);
  };
}

function isRequest(source: CookieSource & object): source is RequestLike {
  return typeof source.headers.get === "function";
}
