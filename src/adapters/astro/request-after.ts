// The request that follows another one of the same client.

import type { CommittedSession } from "../commit-response.ts";

/** The request as its client would send it after the response of this session. */
export async function requestAfter(request: Request, session: CommittedSession): Promise<Request> {
  const cookies = await session.commit();
  const { ticketHeader } = session;
  if (cookies.length === 0 && ticketHeader?.value === undefined) return request;
  const headers = new Headers(request.headers);
  if (ticketHeader?.value !== undefined) headers.set(ticketHeader.name, ticketHeader.value);
  let sent = headers.get("cookie")?.split(/; */) ?? [];
  for (const cookie of cookies) {
    const text = cookie.split(";", 1)[0]!;
    sent = sent.filter((one) => !one.startsWith(text.slice(0, text.indexOf("=") + 1)));
    if (!/; Max-Age=0\b/i.test(cookie)) sent.push(text);
  }
  headers.set("cookie", sent.join("; "));
  return new Request(request.url, { headers, signal: request.signal });
}
