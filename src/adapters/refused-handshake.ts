// The response to a handshake that fails.

import { type ServerResponse, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { isWorthRetrying, statusOf, textOf } from "./error-response.ts";

/** The status of the response to a handshake that fails. An error that is nobody's status is printed. */
export function failedStatus(error: unknown): number {
  const status = statusOf(error);
  if (status === 500) console.error(error);
  return status;
}

/** The headers and the text of the response to a handshake that fails. */
function failureOf(status: number): { headers: Record<string, string>; text: string } {
  const text = textOf(status);
  const headers = {
    "Content-Type": "text/plain; charset=utf-8",
    "Content-Length": String(Buffer.byteLength(text)),
    "Cache-Control": "no-store",
    ...(isWorthRetrying(status) && { "Retry-After": "1" }),
  };
  return { headers, text };
}

/** Answers a request that fails, and is no upgrade. */
export function refuseRequest(res: ServerResponse, status: number): void {
  const { headers, text } = failureOf(status);
  res.writeHead(status, headers).end(text);
}

/** Answers an upgrade that fails, and closes its connection. */
export function refuseUpgrade(socket: Duplex, status: number): void {
  const { headers, text } = failureOf(status);
  const lines = Object.entries({ Connection: "close", ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.once("finish", () => socket.destroy());
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Error"}\r\n${lines.join("")}\r\n${text}`);
}

/** Node's server has let go of the socket of an upgrade: if its client leaves, the error would end the process. */
export function guardSocket(socket: Duplex): () => void {
  const leave = () => socket.destroy();
  socket.on("error", leave);
  return () => void socket.off("error", leave);
}
