// Makes a response look sent while it is held back.

import { DESTROY, HELD, type HeldResponse, type HeldSocket, HOLD, type Hold } from "../hold.ts";
import { type Arguments, headersSentError, isNodes } from "./node-checks.ts";

// Node looks at it to know whether headers were sent, and so do old versions of `compression` and Next.js.
const SENT = "coatcheck: sent when the session is committed\r\n";

/**
 * While calls are held, makes the response look as if its headers were sent. Methods are assigned, and only getters are
 * defined, which takes 0.5 µs less than defining all.
 */
export function seemSent(res: HeldResponse, hold: Hold): void {
  hold.statusCode = res.statusCode;
  hold.destroy = res.destroy;
  res.destroy = destroy;
  Object.defineProperty(res, "writableEnded", WRITABLE_ENDED);
  if (isNodes(res)) {
    hold.statusMessage = res.statusMessage;
    res._header ??= SENT;
    if (res.socket) hold.socket = holdSocket(res.socket, res as never);
    return;
  }
  const { setHeader, appendHeader, removeHeader } = res;
  hold.headerMethods = { setHeader, appendHeader, removeHeader };
  Object.assign(res, REFUSING);
  Object.defineProperty(res, "headersSent", HEADERS_SENT);
}

/** The response is as it was when its first call was held. */
export function seemUnsent(res: HeldResponse, hold: Hold): void {
  if (isNodes(res)) {
    if (res._header === SENT) res._header = null;
    res.statusMessage = hold.statusMessage!;
    if (hold.socket !== undefined) hold.socket[HELD] = undefined;
  } else {
    Object.assign(res, hold.headerMethods);
  }
  res.statusCode = hold.statusCode;
}

/** In plain Node, `response.end("x"); response.destroy()` sends the response. */
function destroy(this: HeldResponse, ...args: Arguments): unknown {
  const hold = this[HOLD];
  if (hold.phase !== "holding") return hold.destroy!.apply(this, args);
  if (!hold.isDestroyed) hold.calls!.push(["destroy", args]);
  hold.isDestroyed = true;
  return this;
}

const HEADERS_SENT: PropertyDescriptor & ThisType<HeldResponse> = {
  configurable: true,
  get() {
    return this[HOLD].phase === "holding" || inherited(this, "headersSent");
  },
};

const WRITABLE_ENDED: PropertyDescriptor & ThisType<HeldResponse> = {
  configurable: true,
  get() {
    return this[HOLD].phase === "holding" ? this[HOLD].hasEnded : inherited(this, "writableEnded");
  },
};

const REFUSING = {
  setHeader: refusing("set"),
  appendHeader: refusing("append"),
  removeHeader: refusing("remove"),
};

function refusing(verb: string): () => never {
  return () => {
    throw headersSentError(verb);
  };
}

function inherited(res: HeldResponse, name: string): unknown {
  return Reflect.get(Object.getPrototypeOf(res), name, res);
}

/**
 * An error that comes after the response has ended makes frameworks destroy the socket. In plain Node the response is
 * sent by then. The method stays replaced, since sockets outlive many responses.
 */
function holdSocket(socket: HeldSocket, res: HeldResponse): HeldSocket {
  socket[HELD] = res;
  if (socket[DESTROY] === undefined) {
    socket[DESTROY] = socket.destroy;
    socket.destroy = destroySocket;
  }
  return socket;
}

function destroySocket(this: HeldSocket, error?: Error): HeldSocket {
  const hold = this[HELD]?.[HOLD];
  // With an error it is the connection that failed.
  if (error !== undefined || hold?.phase !== "holding") return this[DESTROY]!(error) as HeldSocket;
  if (!hold.isCut) hold.calls!.push(["destroySocket", []]);
  hold.isCut = true;
  return this;
}
