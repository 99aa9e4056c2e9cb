// The options of the adapters for sockets.

import type { IncomingMessage } from "node:http";
import { OptionError, type Session, type SessionData } from "../index.ts";
import type { OptionNames } from "../util/option-names.ts";
import { ADAPTER_NAMES, type AdapterOptions, checkAdapterOptions } from "./options.ts";

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
