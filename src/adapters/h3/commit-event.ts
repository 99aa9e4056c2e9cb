// Commits the session of an event of h3, and sets its headers in the response.

import type { H3Core, H3Event } from "h3";
import { describesBody } from "../body-headers.ts";
import type { CommittedSession } from "../commit-response.ts";
import { copyOf } from "../copy-response.ts";
import { isAnswer } from "../error-response.ts";
import { setResponseHeaders } from "../response-headers.ts";
import type { SessionUse } from "../session-headers.ts";

/** Commits the session of an event that ends with a value or an error. Returns what takes the place of the value. */
export async function commitEvent(event: H3Event, session: CommittedSession, value: unknown): Promise<unknown> {
  let cookies: string[];
  try {
    cookies = await session.commit();
  } catch (error) {
    const cancelled = bodyOf(value)?.cancel();
    await cancelled?.catch(() => {});
    clearForError(event);
    setHeaders(event, error, await session.commit(), { isUsed: false, ticketHeader: session.ticketHeader });
    throw error;
  }
  if (session.watchesLateChanges) event.runtime?.node?.res?.once("close", () => session.reportLateChanges());
  const hasHeaders = cookies.length > 0 || session.isUsed || session.ticketHeader?.value !== undefined;
  return hasHeaders ? setHeaders(event, value, cookies, session) : value;
}

/** h3 sends the one kind of headers with what a handler returns, and the other with errors. */
function setHeaders(event: H3Event, value: unknown, cookies: string[], use: SessionUse): unknown {
  const { res, app } = event;
  const { errHeaders } = res as Partial<H3Event["res"]>;
  if (errHeaders !== undefined) setResponseHeaders(errHeaders, cookies, use);
  setResponseHeaders(res.headers, cookies, use, isResponse(value) ? value.headers : undefined);
  // A handler of errors may answer with a response of its own, as Nitro's does. It goes out without either kind.
  if (value instanceof Error && app !== undefined)
    onFinalResponse(app, event, ({ headers }) => setResponseHeaders(headers, cookies, use));
  // Without headers for errors, it is an h3 that adds to the response itself, which other requests may get, too.
  return errHeaders === undefined && value instanceof Response ? copyOf(value) : value;
}

/** What is to be done to the responses of some events, by the configuration of the application that makes them. */
const finalSteps = new WeakMap<object, WeakMap<object, ((response: Response) => void)[]>>();

function onFinalResponse({ config }: H3Core, event: H3Event, step: (response: Response) => void): void {
  let steps = finalSteps.get(config);
  if (steps === undefined) {
    steps = new WeakMap();
    finalSteps.set(config, steps);
    const { onResponse } = config;
    config.onResponse = (response, event) => {
      try {
        for (const step of finalSteps.get(config)?.get(event) ?? []) step(response);
      } catch {} // a response may refuse headers
      return onResponse?.(response, event);
    };
  }
  steps.set(event, [...(steps.get(event) ?? []), step]);
}

/** Removes what was set for the body that is not sent. */
function clearForError({ res }: H3Event): void {
  delete res.status;
  for (const headers of [res.headers, res.errHeaders]) {
    for (const [name, value] of [...(headers ?? [])]) if (describesBody(name, value)) headers.delete(name);
  }
}

/** True if a value says that its request has failed. */
export function hasFailed(value: unknown, { res }: H3Event): boolean {
  if (value instanceof Error) return !isAnswer(value);
  return ((isResponse(value) ? value.status : undefined) ?? res.status ?? 200) >= 500;
}

function bodyOf(value: unknown): ReadableStream | undefined {
  const body = isResponse(value) ? value.body : value;
  return body instanceof ReadableStream ? body : undefined;
}

/** True for a `Response`, and for an `HTTPResponse` of any copy of h3. */
function isResponse(value: unknown): value is { status?: number; headers: Headers; body?: unknown } {
  if (value instanceof Response) return true;
  const given = value as { [HTTP_RESPONSE]?: true } | null | undefined;
  return given?.[HTTP_RESPONSE] === true || given?.constructor?.name === "HTTPResponse";
}

const HTTP_RESPONSE = Symbol.for("h3.HTTPResponse");
