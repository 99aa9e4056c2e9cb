// What the adapters for sockets share: their options, the session at the handshake, and the response to one that fails.

import { type IncomingMessage, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import {
  type AdapterSession,
  type FollowOptions,
  type LiveEnd,
  type LiveSession,
  OptionError,
  type Session,
  type SessionData,
  type Sessions,
} from "../index.ts";
import type { OptionNames } from "../util/option-names.ts";
import {
  ADAPTER_NAMES,
  type AdapterOptions,
  checkAdapterOptions,
  isWorthRetrying,
  letGo,
  modeOf,
  openOptions,
  statusOf,
  textOf,
} from "./options.ts";

/** The options of the adapters for sockets. `mode`, `extend` and `saveFailed` hold for the handshake and for messages. */
export interface SocketOptions<Data extends object = SessionData> extends AdapterOptions<IncomingMessage> {
  /**
   * Says whether a client may connect: without a login, or from a page of another origin, it may not. It may change the
   * session, too. False is answered 401. Default: every client may.
   */
  accept?: (session: Session<Data>, request: IncomingMessage) => boolean | Promise<boolean>;
  /**
   * True, or a function that gives true: the session does not expire while the socket is open. Default: false, so that an
   * open page keeps nobody logged in. Messages extend the session in any case.
   */
  keepAlive?: boolean | ((request: IncomingMessage) => boolean | undefined);
}

const SOCKET_NAMES: OptionNames<SocketOptions> = { ...ADAPTER_NAMES, accept: true, keepAlive: true };

/** @throws OptionError if an option is misspelt, or of another kind. */
export function checkSocketOptions<Data extends object>(options: SocketOptions<Data>): void {
  checkAdapterOptions(options, SOCKET_NAMES as OptionNames<SocketOptions<Data>>);
  const { accept, keepAlive } = options;
  if (accept !== undefined && typeof accept !== "function") {
    throw new OptionError("accept", accept, "give a function of the session and the request.");
  }
  if (keepAlive !== undefined && typeof keepAlive !== "boolean" && typeof keepAlive !== "function") {
    throw new OptionError("keepAlive", keepAlive, "give true, false, or a function of the request.");
  }
}

/** A handshake that is accepted. */
export interface Handshake<Data extends object> {
  /** The headers by which the client gets its ticket. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Begins to follow the session. Undefined in mode `"none"`. */
  readonly follow: ((isThere?: () => boolean) => LiveSession<Data>) | undefined;
}

/**
 * Opens and commits the session of a handshake. Undefined: the client may not connect.
 * @throws what opening, `accept` and committing throw.
 */
export async function openHandshake<Data extends object>(
  sessions: Sessions<Data>,
  options: SocketOptions<Data>,
  request: IncomingMessage,
): Promise<Handshake<Data> | undefined> {
  const mode = modeOf(options, request);
  if (mode === "none") return { headers: [], follow: undefined };
  const how = openOptions(options, request, mode);
  const session = await sessions.openMaybeSync(request, how);
  try {
    if (options.accept !== undefined && (await options.accept(session, request)) !== true) {
      letGo(session);
      return undefined;
    }
  } catch (error) {
    letGo(session);
    throw error;
  }
  const headers = headersOf(session, await session.commit());
  const { saveFailed = false, keepAlive } = options;
  const isKeptAlive = typeof keepAlive === "function" ? keepAlive(request) === true : keepAlive === true;
  return {
    headers,
    follow(isThere = () => true) {
      const follow: FollowOptions = { ...how, saveFailed, keepAlive: isKeptAlive && isThere };
      return sessions.follow(session, follow);
    },
  };
}

function headersOf<Data extends object>(
  { ticketHeader }: AdapterSession<Data>,
  cookies: readonly string[],
): [string, string][] {
  const headers = cookies.map((cookie): [string, string] => ["Set-Cookie", cookie]);
  if (ticketHeader?.value !== undefined) headers.push([ticketHeader.name, ticketHeader.value]);
  return headers;
}

/** What a client is told of the end of its session. */
export function endText(reason: LiveEnd): string {
  return `session ${reason}`;
}

/** The status of the response to a handshake that fails. An error that is nobody's status is printed. */
export function failedStatus(error: unknown): number {
  const status = statusOf(error);
  if (status === 500) console.error(error);
  return status;
}

/** The headers and the text of the response to a handshake that fails. */
export function failureOf(status: number): { headers: Record<string, string>; text: string } {
  const text = textOf(status);
  const headers = {
    "Content-Type": "text/plain; charset=utf-8",
    "Content-Length": String(Buffer.byteLength(text)),
    "Cache-Control": "no-store",
    ...(isWorthRetrying(status) && { "Retry-After": "1" }),
  };
  return { headers, text };
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
