import type { IncomingMessage } from "node:http";
import { ClientGoneError } from "./errors.ts";
import type { Leaving } from "./line.ts";
import type { Ticket } from "./ticket.ts";

/** Where a request's cookies are: a `Request`, an `IncomingMessage` (Node, Express, Fastify's `raw`), or a Cookie header. */
export type CookieSource = RequestLike | Pick<IncomingMessage, "headers" | "socket"> | string | null | undefined;

interface RequestLike {
  readonly headers: { get(name: string): string | null };
  readonly url: string;
  readonly signal?: AbortSignal;
}

export function cookieHeader(source: CookieSource): string | null | undefined {
  if (typeof source !== "object" || source === null) return source;
  return isRequest(source) ? source.headers.get("cookie") : source.headers.cookie;
}

/** A proxy in front tells by X-Forwarded-Proto. Who forges that header gets a cookie that only https brings back. */
export function isSecure(source: CookieSource): boolean {
  if (typeof source !== "object" || source === null) return false;
  if (isRequest(source)) {
    return source.url.startsWith("https:") || saysHttps(source.headers.get("x-forwarded-proto"));
  }
  const { headers, socket } = source;
  return (socket as { encrypted?: boolean } | null)?.encrypted === true || saysHttps(headers["x-forwarded-proto"]);
}

/** Several proxies make a list, of which the first saw the browser. */
function saysHttps(proto: string | string[] | null | undefined): boolean {
  return proto !== undefined && proto !== null && /^https *(,|$)/.test(String(proto));
}

/** Tells when the client of a request goes away. */
export function leaving({ key }: Ticket, source: CookieSource): Leaving | undefined {
  if (typeof source !== "object" || source === null) return undefined;
  return (left) => {
    const leave = () => left(new ClientGoneError(key));
    if (isRequest(source)) {
      const { signal } = source;
      if (signal?.aborted) leave();
      signal?.addEventListener("abort", leave, { once: true });
      return () => signal?.removeEventListener("abort", leave);
    }
    // In HTTP/2 the connection is shared, and the request has a stream of its own.
    const channel = (source as { stream?: IncomingMessage["socket"] }).stream ?? source.socket;
    if (channel?.destroyed) leave();
    channel?.once("close", leave);
    return () => void channel?.off("close", leave);
  };
}

function isRequest(source: CookieSource & object): source is RequestLike {
  return typeof source.headers.get === "function";
}
