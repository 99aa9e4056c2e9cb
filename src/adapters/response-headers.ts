// Sets the headers of a session in a `Response`.

import { describesBody } from "./body-headers.ts";
import { copyOf } from "./copy-response.ts";
import { type SessionUse, setSessionHeaders } from "./session-headers.ts";

/** The response with the headers of a committed session. It is the same object if nothing is to be set. */
export function withSessionHeaders(response: Response, cookies: readonly string[], use: SessionUse): Response {
  if (cookies.length === 0 && !use.isUsed && use.ticketHeader?.value === undefined) return response;
  const answer = copyOf(response);
  try {
    setResponseHeaders(answer.headers, cookies, use);
  } catch {} // a response that can't be copied may refuse headers, too
  return answer;
}

/**
 * Sets the headers of a committed session among those of a response.
 *
 * @param others headers that are sent beside these, where a framework keeps them apart. These take their place.
 */
export function setResponseHeaders(
  headers: Headers,
  cookies: readonly string[],
  use: SessionUse,
  others?: Headers,
): void {
  const target = {
    getHeader: (name: string) =>
      name === "set-cookie" ? headers.getSetCookie() : (headers.get(name) ?? others?.get(name) ?? undefined),
    setHeader: (name: string, value: string | string[]) => headers.set(name, String(value)),
    appendHeader(name: string, values: string[]) {
      for (const value of values) headers.append(name, value);
    },
  };
  setSessionHeaders(target, cookies, use);
}

/** An error's response with the headers that the response in whose place it is sent had for every body, as those of CORS. */
export function withHeadersOf(response: Response, answer: Response): Response {
  const kept = [...response.headers].filter(([name, value]) => !describesBody(name, value) && name !== "set-cookie");
  const cookies = response.headers.getSetCookie();
  if (kept.length === 0 && cookies.length === 0) return answer;
  const copy = copyOf(answer);
  try {
    for (const [name, value] of kept) if (!copy.headers.has(name)) copy.headers.set(name, value);
    for (const cookie of cookies) copy.headers.append("Set-Cookie", cookie);
  } catch {}
  return copy;
}
