// Refuses a call of a response that is held back, as Node would have refused it.

import { ServerResponse } from "node:http";

export type Method = "writeHead" | "write" | "end" | "flushHeaders";
// biome-ignore lint/suspicious/noExplicitAny: Node's overloads; the arguments are passed on unchanged
export type Arguments = any[];

/**
 * Throws what Node would throw if this call were made now. A call that is clearly in order is only looked at. Any other is
 * tried on a response that goes nowhere, so that the error and what it leaves of the headers are Node's own.
 */
export function checkCall(res: ServerResponse, method: Method, args: Arguments, headersSent: boolean): void {
  if (!isNodes(res)) {
    if (headersSent && method === "writeHead") throw headersSentError("write");
    return;
  }
  if (!isInOrder(res, method, args, headersSent)) rehearse(res, method, args, headersSent);
}

/** The error of a write in an encoding that there is not. Node throws it when the headers are on their way. */
export function encodingError(res: ServerResponse, status: number, method: Method, args: Arguments): Error | undefined {
  const [chunk, encoding] = args;
  if ((method !== "write" && method !== "end") || !encoding || typeof encoding === "function") return undefined;
  if (!chunk || typeof chunk === "function" || encoding === "buffer" || Buffer.isEncoding(encoding)) return undefined;
  // A body that is not sent is not looked at.
  if (!isNodes(res) || res.req.method === "HEAD" || status < 200 || status === 204 || status === 304) return undefined;
  return Object.assign(new TypeError(`Unknown encoding: ${encoding}`), { code: "ERR_UNKNOWN_ENCODING" });
}

/** What Node's responses have, and its types do not know. */
type NodesResponse = ServerResponse & { _header: string | null; getRawHeaderNames(): string[] };

/** True for a response of HTTP/1 by Node itself. Others check what they get by their own rules. */
export function isNodes(res: object): res is NodesResponse {
  return Object.hasOwn(res, "_header");
}

export function headersSentError(verb: string): Error {
  const message = `Cannot ${verb} headers after they are sent to the client`;
  return Object.assign(new Error(message), { code: "ERR_HTTP_HEADERS_SENT" });
}

function isInOrder(res: ServerResponse, method: Method, args: Arguments, headersSent: boolean): boolean {
  const [first] = args;
  if (method === "writeHead") return !headersSent && isStatus(first) && isReason(res.statusMessage) && areHeads(args);
  if (method === "write" && !isChunk(first)) return false;
  if (method === "end" && first && typeof first !== "function" && !isChunk(first)) return false;
  return headersSent || (isStatus(res.statusCode) && isReason(res.statusMessage));
}

function isChunk(value: unknown): boolean {
  return typeof value === "string" || value instanceof Uint8Array;
}

function isStatus(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 100 && (value as number) <= 999;
}

/** What may stand in a header. Node allows more, as a parser that is told to be lenient does. */
function isText(value: unknown): boolean {
  return (
    value === undefined || typeof value === "number" || (typeof value === "string" && !/[^\t\x20-\x7e]/.test(value))
  );
}

function isReason(value: unknown): boolean {
  return value === undefined || isText(value);
}

/** What follows the status: a reason and headers, each of which may be missing. */
function areHeads([, second, third]: Arguments): boolean {
  return typeof second === "string" ? isText(second) && areHeaders(third) : areHeaders(second ?? third);
}

function areHeaders(headers: unknown): boolean {
  if (headers === undefined || headers === null) return true;
  if (typeof headers !== "object" || Array.isArray(headers)) return false;
  for (const [name, value] of Object.entries(headers)) {
    if (
      !/^[\w!#$%&'*+.^`|~-]+$/.test(name) ||
      value === undefined ||
      !(Array.isArray(value) ? value : [value]).every(isText)
    )
      return false;
  }
  return true;
}

function rehearse(res: ServerResponse, method: Method, args: Arguments, headersSent: boolean): void {
  const rehearsal = new ServerResponse(res.req);
  rehearsal.on("error", () => {});
  if (headersSent) {
    rehearsal.flushHeaders();
  } else {
    rehearsal.statusCode = res.statusCode;
    rehearsal.statusMessage = res.statusMessage;
    if (hasHadHeaders(res)) rehearsal.setHeader("x", "").removeHeader("x");
    for (const name of rawNames(res)) rehearsal.setHeader(name, res.getHeader(name)!);
  }
  try {
    // The callbacks are for the real call.
    const without = args.map((argument) => (typeof argument === "function" ? undefined : argument));
    (rehearsal[method] as (...args: Arguments) => unknown).apply(rehearsal, without);
  } catch (error) {
    if (!headersSent) takeOver(res, rehearsal);
    throw error;
  }
}

/** Node treats headers of `writeHead` in another way once one was set, even if it was removed since. */
function hasHadHeaders(res: ServerResponse): boolean {
  const field = Object.getOwnPropertySymbols(res).find(({ description }) => description === "kOutHeaders");
  return field !== undefined && (res as unknown as Record<symbol, unknown>)[field] !== null;
}

/** Leaves in the response what the failed call has left: Node sets headers one by one before it meets a wrong one. */
function takeOver(res: ServerResponse, rehearsal: ServerResponse): void {
  res.statusCode = rehearsal.statusCode;
  res.statusMessage = rehearsal.statusMessage;
  for (const name of rawNames(res)) if (!rehearsal.hasHeader(name)) res.removeHeader(name);
  for (const name of rawNames(rehearsal)) res.setHeader(name, rehearsal.getHeader(name)!);
}

/** The header names as they were given. The types of Node do not know the method. */
function rawNames(res: ServerResponse): string[] {
  return (res as ServerResponse & { getRawHeaderNames(): string[] }).getRawHeaderNames();
}
