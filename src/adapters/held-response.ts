import type { OutgoingHttpHeaders, ServerResponse } from "node:http";

interface Committable {
  commit(): string[] | Promise<string[]>;
  discard(): void;
}

/**
 * Lets nothing of a response out before its session is committed.
 *
 * The first call that would send headers starts the commit. If that has nothing to store, the call goes on at once;
 * else calls are held back, and made when the commit is done, with the cookies in place. If the commit fails, the
 * response is cleared and `fail` gets the error.
 */
export function commitBeforeHeaders(
  res: ServerResponse,
  session: Committable,
  saveFailed: boolean,
  fail: (error: unknown) => void,
): void {
  const held = res as unknown as HeldResponse;
  held[HOLD] = {
    session,
    saveFailed,
    fail,
    phase: "open",
    calls: [],
    statusCode: 200,
    headerMethods: NO_METHODS,
    // Another middleware may have wrapped these already.
    writeHead: res.writeHead,
    write: res.write,
    end: res.end,
    flushHeaders: res.flushHeaders,
  };
  // Functions that all responses share, and no closures: the response keeps one hidden class, and stays fast.
  held.writeHead = writeHead;
  held.write = write;
  held.end = end;
  held.flushHeaders = flushHeaders;
}

type Method = "writeHead" | "write" | "end" | "flushHeaders";
// biome-ignore lint/suspicious/noExplicitAny: Node's overloads; the arguments are passed on as they came
type Arguments = any[];
type AnyMethod = (...args: Arguments) => unknown;

interface Hold extends Record<Method, AnyMethod> {
  readonly session: Committable;
  readonly saveFailed: boolean;
  readonly fail: (error: unknown) => void;
  phase: "open" | "holding" | "released";
  calls: [Method, Arguments][];
  statusCode: number;
  /** The response's own, while others stand in their place. */
  headerMethods: Partial<Pick<ServerResponse, "setHeader" | "appendHeader" | "removeHeader">>;
}

const NO_METHODS = {};
const HOLD = Symbol("coatcheck.hold");

type HeldResponse = Omit<ServerResponse, Method> & { [HOLD]: Hold } & Record<Method, AnyMethod>;

function writeHead(this: HeldResponse, ...args: Arguments): unknown {
  const hold = this[HOLD];
  if (hold.phase === "released") return hold.writeHead.apply(this, args);
  // What counts as failed must be known before the commit.
  if (hold.phase === "open" && typeof args[0] === "number") this.statusCode = args[0];
  return attempt(this, hold, "writeHead", args) ?? this;
}

function write(this: HeldResponse, ...args: Arguments): unknown {
  const hold = this[HOLD];
  if (hold.phase === "released") return hold.write.apply(this, args);
  return attempt(this, hold, "write", args) ?? false;
}

function end(this: HeldResponse, ...args: Arguments): unknown {
  const hold = this[HOLD];
  if (hold.phase === "released") return hold.end.apply(this, args);
  return attempt(this, hold, "end", args) ?? this;
}

function flushHeaders(this: HeldResponse): unknown {
  const hold = this[HOLD];
  if (hold.phase === "released") return hold.flushHeaders.apply(this);
  return attempt(this, hold, "flushHeaders", []);
}

/** Makes the call if the commit lets it; undefined if it is held back. */
function attempt(res: HeldResponse, hold: Hold, method: Method, args: Arguments): unknown {
  if (hold.phase === "holding") {
    if (!hasEnded(hold)) hold.calls.push([method, args]);
    return undefined;
  }
  if (res.statusCode >= 500 && !hold.saveFailed) hold.session.discard();
  const cookies = hold.session.commit();
  if (Array.isArray(cookies)) {
    hold.phase = "released";
    return makeCall(res, hold, method, args, cookies);
  }
  hold.phase = "holding";
  hold.calls.push([method, args]);
  hold.statusCode = res.statusCode;
  seemSent(res, hold);
  cookies.then(
    (cookies) => release(res, hold, cookies),
    (error) => abandon(res, hold, error),
  );
  return undefined;
}

function release(res: HeldResponse, hold: Hold, cookies: string[]): void {
  hold.phase = "released";
  Object.assign(res, hold.headerMethods);
  res.statusCode = hold.statusCode;
  let flowing: unknown;
  for (const [method, args] of hold.calls) {
    flowing = makeCall(res, hold, method, args, cookies);
    cookies = []; // they went out with the first call
  }
  // Who was told to wait by a held `write` waits for this.
  if (hold.calls.at(-1)![0] === "write" && flowing === true) res.emit("drain");
}

function abandon(res: HeldResponse, hold: Hold, error: unknown): void {
  hold.phase = "released";
  Object.assign(res, hold.headerMethods);
  hold.calls = [];
  for (const name of res.getHeaderNames()) res.removeHeader(name);
  res.statusCode = 200;
  const fail = () => hold.fail(error);
  // A ticket that was regenerated before the commit failed still has to reach the browser: the old one is dead.
  Promise.resolve(hold.session.commit()).then((cookies) => {
    setCookies(res, cookies);
    fail();
  }, fail);
}

function makeCall(res: HeldResponse, hold: Hold, method: Method, args: Arguments, cookies: string[]): unknown {
  if (cookies.length > 0) {
    setCookies(res, cookies);
    if (method === "writeHead") return hold.writeHead.apply(res, args.map(keepOurHeaders, cookies));
  }
  return hold[method].apply(res, args);
}

function setCookies(res: HeldResponse, cookies: string[]): void {
  if (cookies.length === 0) return;
  res.appendHeader("Set-Cookie", cookies);
  // A cache must not hand one user's ticket to another.
  res.setHeader("Cache-Control", "no-store");
}

/** Headers given to `writeHead` replace those set before; ours have to be among them. */
function keepOurHeaders(this: string[], argument: unknown): unknown {
  if (typeof argument !== "object" || argument === null) return argument;
  const given = Array.isArray(argument) ? pairs(argument) : Object.entries(argument as OutgoingHttpHeaders);
  const headers = given.filter(([name]) => name.toLowerCase() !== "cache-control");
  if (!headers.some(([name]) => name.toLowerCase() === "set-cookie")) return headers.flat();
  return [...headers, ...this.map((cookie) => ["Set-Cookie", cookie])].flat();
}

/** Flat or nested lists of names and values, as `writeHead` takes both. */
function pairs(list: unknown[]): [string, unknown][] {
  if (Array.isArray(list[0])) return list as [string, unknown][];
  return Array.from({ length: list.length / 2 }, (_, i) => [list[2 * i] as string, list[2 * i + 1]]);
}

function hasEnded({ calls }: Hold): boolean {
  return calls.at(-1)?.[0] === "end";
}

/**
 * While calls are held back the application sees a response that is under way, as it would without us. Methods are
 * assigned, and only getters defined: 0.5 µs less than defining all.
 */
function seemSent(res: HeldResponse, hold: Hold): void {
  const { setHeader, appendHeader, removeHeader } = res;
  hold.headerMethods = { setHeader, appendHeader, removeHeader };
  Object.assign(res, REFUSING);
  Object.defineProperty(res, "headersSent", HEADERS_SENT);
  Object.defineProperty(res, "writableEnded", WRITABLE_ENDED);
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
    return this[HOLD].phase === "holding" ? hasEnded(this[HOLD]) : inherited(this, "writableEnded");
  },
};

const REFUSING = {
  setHeader: refusing("setHeader"),
  appendHeader: refusing("appendHeader"),
  removeHeader: refusing("removeHeader"),
};

function refusing(method: string): () => never {
  return () => {
    const message = `Cannot call ${method} after the response has started`;
    throw Object.assign(new Error(message), { code: "ERR_HTTP_HEADERS_SENT" });
  };
}

function inherited(res: HeldResponse, name: string): unknown {
  return Reflect.get(Object.getPrototypeOf(res), name, res);
}
