// A request to the console, whatever framework has received it.

import type { IncomingMessage } from "node:http";
import { headerOf } from "../cookies/request-source.ts";

/** A request as the framework gives it: of Node's, or a `Request`. */
export type FrameworkRequest = IncomingMessage | Request;

export interface ConsoleRequest {
  readonly source: FrameworkRequest;
  /** What the framework gave beside the request. */
  readonly context: unknown;
  readonly method: string;
  /** As the client sent it, as far as the framework tells. */
  readonly path: string;
  /** With its question mark, or empty. */
  readonly search: string;
  /** Gives the body's JSON. @throws BodyError */
  json(): Promise<unknown>;
}

const MAX_BODY_BYTES = 4_096;

/** The body is not what the console takes. */
export class BodyError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** A request of node:http, and of the frameworks that stand on it. */
export function ofNode(req: IncomingMessage): ConsoleRequest {
  // Express and Connect take the mount off the address.
  const { originalUrl = req.url ?? "/", body } = req as { originalUrl?: string; body?: unknown };
  return {
    source: req,
    context: undefined,
    method: req.method ?? "GET",
    ...split(originalUrl),
    async json() {
      // A body parser that has passed the request over may have left an empty object all the same.
      if (!req.readableDidRead && !req.readableEnded) return parsed(await collected(req));
      if (typeof body === "object" && body !== null) return body;
      throw wasRead();
    },
  };
}

/** A request of a framework that has those of the platform. */
export function ofFetch(request: Request, context: unknown): ConsoleRequest {
  const { pathname, search } = new URL(request.url);
  return {
    source: request,
    context,
    method: request.method,
    path: pathname,
    search,
    async json() {
      if (request.bodyUsed) throw wasRead();
      return parsed(await collected(request.body ?? []));
    },
  };
}

export function header({ source }: ConsoleRequest, name: string): string | undefined {
  return headerOf(source as Parameters<typeof headerOf>[0], name);
}

function split(url: string): { path: string; search: string } {
  const query = url.indexOf("?");
  return query === -1 ? { path: url, search: "" } : { path: url.slice(0, query), search: url.slice(query) };
}

async function collected(body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  // To its end: Node breaks the connection of a request that is left half read, and the answer may be lost with it.
  for await (const chunk of body) {
    size += chunk.length;
    if (size <= MAX_BODY_BYTES) chunks.push(chunk);
  }
  if (size > MAX_BODY_BYTES) throw new BodyError(413, `The body has more than ${MAX_BODY_BYTES} bytes.`);
  return Buffer.concat(chunks).toString();
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new BodyError(400, "The body is no JSON.");
  }
}

function wasRead(): BodyError {
  return new BodyError(400, "The body was read before the console got it: mount the console before the body parser.");
}
