// The answers of the console, whatever framework sends them.

import type { Failure } from "./protocol.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  /** In place of a body: texts that are sent as they come, until the client has left. */
  readonly stream?: (gone: AbortSignal) => AsyncIterable<string>;
}

/** The page may load what this server has, send to it, and nothing else. No other page may frame it. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const SAFE = { "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer" };
const NOT_KEPT = { ...SAFE, "Cache-Control": "no-store" };

export function page(status: number, html: string | Uint8Array<ArrayBuffer>): Answer {
  const headers = { ...NOT_KEPT, "Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": POLICY };
  return { status, headers, body: html };
}

/** A page of one sentence. */
export function notice(status: number, title: string, sentence: string): Answer {
  return page(
    status,
    `<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>${title}</title>\n<h1>${title}</h1>\n<p>${sentence}</p>\n</html>\n`,
  );
}

export function json(status: number, value: object): Answer {
  return { status, headers: { ...NOT_KEPT, "Content-Type": "application/json" }, body: JSON.stringify(value) };
}

export function failure(status: number, error: string): Answer {
  return json(status, { error } satisfies Failure);
}

/** The name of an asset says what is in it: browsers keep it. A cache between would answer without `authorize`. */
export function asset(type: string, etag: string, body: Uint8Array<ArrayBuffer> | undefined): Answer {
  const headers = {
    ...SAFE,
    "Content-Type": type,
    "Cache-Control": "private, max-age=31536000, immutable",
    ETag: etag,
  };
  return body === undefined ? { status: 304, headers } : { status: 200, headers, body };
}

export function redirect(location: string): Answer {
  return { status: 308, headers: { ...NOT_KEPT, Location: location } };
}

export function notAllowed(allow: string): Answer {
  const { status, headers, body } = failure(405, `This address takes ${allow}.`);
  return { status, headers: { ...headers, Allow: allow }, body: body! };
}

/** Server-sent events. Proxies must neither keep, nor compress, nor collect them. */
export function events(stream: (gone: AbortSignal) => AsyncIterable<string>): Answer {
  const headers = {
    ...SAFE,
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",
  };
  return { status: 200, headers, stream };
}
