// Calls of a response that can send nothing more: they end as Node would let them end.

import type { ServerResponse } from "node:http";
import { type HeldMethod, type HeldResponse, HOLD, type Hold } from "../hold.ts";
import { type Arguments, checkCall, type Method } from "./node-checks.ts";

/** What Node does when more is written after the end, but that an error without a listener does not end the process. */
export function afterEnd(res: HeldResponse, method: Method, args: Arguments): unknown {
  const callback = args.find((argument) => typeof argument === "function");
  const writes = method === "write" || (method === "end" && args[0] && args[0] !== callback);
  if (method === "writeHead" || method === "write") checkCall(res as unknown as ServerResponse, method, args, true);
  if (!writes) {
    if (callback === undefined) return res;
    if (res.writableFinished) process.nextTick(callback);
    else res.once("finish", callback);
    return res;
  }
  const error = endedError();
  process.nextTick(() => {
    callback?.(error);
    if (!res.destroyed && !res[HOLD].isDestroyed && res.listenerCount("error") > 0) res.emit("error", error);
  });
  return method === "write" ? false : res;
}

/** What Node does with calls of a response that was destroyed: nothing is sent. */
export function afterDestroy(res: HeldResponse, hold: Hold, method: Method, args: Arguments): unknown {
  if (method !== "end" || !hold.hasEnded) checkCall(res as unknown as ServerResponse, method, args, true);
  const callback = args.find((argument) => typeof argument === "function");
  if (callback !== undefined) process.nextTick(callback, hold.hasEnded ? endedError() : destroyedError());
  if (method === "end") hold.hasEnded = true;
  return method === "write" ? false : res;
}

/** Whoever waits for these calls goes on. */
export function dropCalls(calls: readonly [HeldMethod, Arguments][], error: unknown): void {
  for (const [, args] of calls) {
    const callback = args.find((argument) => typeof argument === "function");
    if (callback !== undefined) process.nextTick(callback, error);
  }
}

function endedError(): Error {
  return Object.assign(new Error("write after end"), { code: "ERR_STREAM_WRITE_AFTER_END" });
}

/** The error of Node for what is written to a response that was destroyed. */
export function destroyedError(): Error {
  return Object.assign(new Error("the response was destroyed"), { code: "ERR_STREAM_DESTROYED" });
}
