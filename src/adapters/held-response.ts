// Holds a Node response back until its sessions are committed.

import type { ServerResponse } from "node:http";
import { describesBody } from "./body-headers.ts";
import { commitAll, lateSessionError } from "./held-response/commit-all.ts";
import { type Arguments, checkCall, encodingError, isNodes, type Method } from "./held-response/node-checks.ts";
import { seemSent, seemUnsent } from "./held-response/seem-sent.ts";
import { afterDestroy, afterEnd, destroyedError, dropCalls } from "./held-response/vain-calls.ts";
import { type Entry, type HeldMethod, type HeldResponse, type HeldSession, HOLD, type Hold } from "./hold.ts";
import { headersIn, setSessionHeaders, withSessionHeaders } from "./session-headers.ts";

/**
 * Sends nothing of a response before its session is committed. Several sessions of one response are committed together.
 *
 * The first call that would send headers starts the commit. If the commit ends synchronously, the call is made synchronously.
 * Otherwise it is held, with all that follow, until the commit is done and the cookies are set. If the commit fails, the
 * headers of the body that is not sent are removed, and `fail` gets the error. So it is if Node refuses a call that was
 * held. What Node refuses in any case is refused before it is held.
 *
 * @param property where the request has the session. Undefined: the application may put something else there.
 * @throws CoatcheckError if another session of the response is committed already.
 */
export function commitBeforeHeaders(
  res: ServerResponse,
  req: object,
  property: string | undefined,
  session: HeldSession,
  saveFailed: boolean,
  fail: (error: unknown) => void,
): void {
  const held = res as unknown as HeldResponse;
  const earlier = held[HOLD];
  if (earlier !== undefined) {
    if (earlier.phase !== "open") throw lateSessionError();
    earlier.next = { session, req, property, saveFailed, next: earlier.next };
    earlier.fail = fail;
    return;
  }
  held[HOLD] = {
    session,
    req,
    property,
    saveFailed,
    next: undefined,
    fail,
    phase: "open",
    calls: undefined,
    hasEnded: false,
    isDestroyed: false,
    isCut: false,
    statusCode: 200,
    // The current methods, since another middleware may have wrapped Node's.
    writeHead: res.writeHead,
    write: res.write,
    end: res.end,
    flushHeaders: res.flushHeaders,
  };
  // Shared functions instead of closures, so that all responses keep one hidden class and stay fast.
  held.writeHead = writeHead;
  held.write = write;
  held.end = end;
  held.flushHeaders = flushHeaders;
}

/** The options of a middleware that finds its session open. Its own handler of errors is nearer to the route. */
export function updateHold(
  res: ServerResponse,
  session: HeldSession,
  changes: { saveFailed?: boolean | undefined; isHidden: boolean; fail: (error: unknown) => void },
): void {
  const hold = (res as unknown as HeldResponse)[HOLD];
  if (hold === undefined) return;
  hold.fail = changes.fail;
  for (let entry: Entry | undefined = hold; entry !== undefined; entry = entry.next) {
    if (entry.session !== session) continue;
    entry.saveFailed = changes.saveFailed ?? entry.saveFailed;
    if (changes.isHidden) entry.property = undefined;
  }
}

/** Holds the response back no longer: its sessions are committed in another way. */
export function releaseResponse(res: ServerResponse): void {
  const hold = (res as unknown as HeldResponse)[HOLD];
  if (hold?.phase === "open") hold.phase = "released";
}

const NO_COOKIES: string[] = [];

function writeHead(this: HeldResponse, ...args: Arguments): unknown {
  const hold = this[HOLD];
  if (isOpen(hold)) return attempt(this, hold, "writeHead", args);
  return hold.writeHead.apply(this, args);
}

function write(this: HeldResponse, ...args: Arguments): unknown {
  const hold = this[HOLD];
  if (isOpen(hold)) return attempt(this, hold, "write", args);
  if (isOver(this, hold)) return inVain(this, hold, "write", args);
  return hold.write.apply(this, args);
}

function end(this: HeldResponse, ...args: Arguments): unknown {
  const hold = this[HOLD];
  if (isOpen(hold)) return attempt(this, hold, "end", args);
  if (isOver(this, hold)) return inVain(this, hold, "end", args);
  return hold.end.apply(this, args);
}

function flushHeaders(this: HeldResponse): unknown {
  const hold = this[HOLD];
  if (isOpen(hold)) return attempt(this, hold, "flushHeaders", []);
  return hold.flushHeaders.apply(this);
}

function isOpen({ phase }: Hold): boolean {
  return phase === "open" || phase === "holding";
}

/** An error's response has been sent, or this one is about to be destroyed, and whatever writes it does not know. */
function isOver(res: HeldResponse, { phase }: Hold): boolean {
  return phase === "cut" || (phase === "failed" && res.writableEnded);
}

function inVain(res: HeldResponse, hold: Hold, method: Method, args: Arguments): unknown {
  return hold.phase === "cut" ? afterDestroy(res, hold, method, args) : afterEnd(res, method, args);
}

/** Makes the call if the commit ends synchronously. Otherwise holds it. Returns what the call would return. */
function attempt(res: HeldResponse, hold: Hold, method: Method, args: Arguments): unknown {
  if (hold.phase === "holding") return keep(res, hold, method, args);
  if (res.destroyed || res.socket?.destroyed) return makeCallInVain(res, hold, method, args);
  checkCall(res as unknown as ServerResponse, method, args, res.headersSent);
  const error = encodingError(res as unknown as ServerResponse, res.statusCode, method, args);
  if (error !== undefined) {
    attempt(res, hold, "flushHeaders", []);
    throw error;
  }
  // The commit needs the status, to know whether the request failed.
  if (method === "writeHead") res.statusCode = args[0] | 0;
  const cookies = commitAll(res, hold);
  if (Array.isArray(cookies)) {
    hold.phase = "released";
    return makeFirstCall(res, hold, method, args, cookies);
  }
  hold.phase = "holding";
  hold.calls = [];
  const answer = keep(res, hold, method, args);
  seemSent(res, hold);
  cookies.then(
    (cookies) => release(res, hold, cookies),
    (error) => abandon(res, hold, error),
  );
  return answer;
}

/** The client has gone. There is nothing to hold back, but the session's changes count. */
function makeCallInVain(res: HeldResponse, hold: Hold, method: Method, args: Arguments): unknown {
  hold.phase = "released";
  const cookies = commitAll(res, hold);
  if (!Array.isArray(cookies)) cookies.catch((error) => callFail(res, hold, error));
  return hold[method].apply(res, args);
}

function keep(res: HeldResponse, hold: Hold, method: Method, args: Arguments): unknown {
  if (hold.isDestroyed || (hold.isCut && !hold.hasEnded)) return afterDestroy(res, hold, method, args);
  if (hold.hasEnded) return afterEnd(res, method, args);
  const calls = hold.calls!;
  if (calls.length > 0) {
    checkCall(res as unknown as ServerResponse, method, args, true);
    const error = encodingError(res as unknown as ServerResponse, hold.statusCode, method, args);
    if (error !== undefined) throw error;
  }
  calls.push([method, args]);
  if (method === "end") hold.hasEnded = true;
  return method === "write" ? false : method === "flushHeaders" ? undefined : res;
}

function release(res: HeldResponse, hold: Hold, cookies: string[]): void {
  const calls = hold.calls!;
  hold.phase = "released";
  hold.calls = undefined;
  seemUnsent(res, hold);
  let flowing: unknown;
  let made = 0;
  try {
    if (cookies.length > 0 && res.headersSent) throw lateSessionError();
    for (const [method, args] of calls) {
      made++;
      if (method === "destroy" || method === "destroySocket") {
        hold.phase = "cut";
        destroyLater(res, hold, method, args);
        dropCalls(calls.slice(made), destroyedError()); // what comes after it is not sent in plain Node, either
        return;
      }
      const result = made === 1 ? makeFirstCall(res, hold, method, args, cookies) : hold[method].apply(res, args);
      if (method === "write") flowing = result;
    }
  } catch (error) {
    hold.phase = "failed";
    dropCalls(calls.slice(made), error);
    if (!res.headersSent) clearForError(res as unknown as ServerResponse);
    callFail(res, hold, error);
    return;
  }
  // A held `write` returned false, so its caller waits for this event.
  if (flowing === true && !hold.hasEnded) process.nextTick(() => res.emit("drain"));
}

function abandon(res: HeldResponse, hold: Hold, error: unknown): void {
  const fail = (cookies: string[]) => {
    const calls = hold.calls!;
    hold.phase = "failed";
    hold.calls = undefined;
    seemUnsent(res, hold);
    dropCalls(calls, error);
    if (!res.headersSent) clear(res, calls, cookies);
    callFail(res, hold, error);
  };
  // If a ticket was regenerated before the commit failed, the browser needs the new one: the old one is invalid.
  const commits: (string[] | Promise<string[]>)[] = [];
  for (let entry: Entry | undefined = hold; entry !== undefined; entry = entry.next)
    commits.push(entry.session.commit());
  Promise.allSettled(commits).then((results) => {
    fail(results.flatMap((result) => (result.status === "fulfilled" ? result.value : NO_COOKIES)));
  });
}

/** Makes the response ready for another body than the one it was made for. */
function clear(res: HeldResponse, calls: readonly [HeldMethod, Arguments][], cookies: string[]): void {
  try {
    const [method, args] = calls[0]!;
    const given = method === "writeHead" ? args.flatMap((argument) => headersIn(argument) ?? []) : [];
    for (const [name, value] of given) res.setHeader(name, value as string);
    clearForError(res as unknown as ServerResponse);
    res.statusCode = 200;
    setSessionHeaders(res, cookies, { isUsed: false, ticketHeader: undefined });
    for (let entry: Entry | undefined = res[HOLD]; entry !== undefined; entry = entry.next) {
      setSessionHeaders(res, NO_COOKIES, { isUsed: false, ticketHeader: entry.session.ticketHeader });
    }
  } catch (error) {
    process.emitWarning(error as Error); // the response is one that refuses its own headers
  }
}

/** Removes the headers of a body that is not sent, and the reason beside its status, which may be one that Node refuses. */
export function clearForError(res: ServerResponse): void {
  for (const name of res.getHeaderNames()) if (describesBody(name, res.getHeader(name))) res.removeHeader(name);
  if (isNodes(res)) res.statusMessage = undefined as never;
}

/** Calls the application's handler of errors. It must not end the process, as nothing is there to catch what it throws. */
function callFail(res: HeldResponse, hold: Hold, error: unknown): void {
  try {
    hold.fail(error);
  } catch (another) {
    process.emitWarning(another instanceof Error ? another : String(another));
    answerEmpty(res, hold);
  }
}

function answerEmpty(res: HeldResponse, hold: Hold): void {
  try {
    if (!res.headersSent) {
      clearForError(res as unknown as ServerResponse);
      res.statusCode = 500;
      hold.end.apply(res);
      return;
    }
  } catch {} // a response that refuses its own headers
  res.destroy();
}

/** The call that sends the headers. The session's own are set before it. */
function makeFirstCall(
  res: HeldResponse,
  hold: Hold,
  method: Method,
  args: Arguments,
  cookies: readonly string[],
): unknown {
  let isUsed = false;
  for (let entry: Entry | undefined = hold; entry !== undefined; entry = entry.next) {
    const { session } = entry;
    isUsed ||= session.isUsed;
    if (session.watchesLateChanges) res.once("close", () => session.reportLateChanges());
  }
  if ((cookies.length > 0 || isUsed) && !res.headersSent) {
    setSessionHeaders(res, cookies, hold.session);
    let given: unknown[] = method === "writeHead" ? withSessionHeaders(args, cookies, hold.session) : args;
    for (let entry = hold.next; entry !== undefined; entry = entry.next) {
      setSessionHeaders(res, NO_COOKIES, entry.session);
      if (method === "writeHead") given = withSessionHeaders(given, NO_COOKIES, entry.session);
    }
    return hold[method].apply(res, given);
  }
  return hold[method].apply(res, args);
}

/** After the writes before it have reached the network, as far as Node sends them immediately. */
function destroyLater(res: HeldResponse, hold: Hold, method: "destroy" | "destroySocket", args: Arguments): void {
  const { socket } = res;
  setImmediate(() => {
    if (method === "destroy") hold.destroy!.apply(res, args);
    else socket?.destroy(...args);
  });
}
