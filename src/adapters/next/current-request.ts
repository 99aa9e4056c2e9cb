// What Next.js tells of the request that runs, and of the errors by which its functions leave a handler.

import type { Session } from "../../index.ts";
import type { LateChanges } from "../commit-response.ts";

/** What sessions are opened from, where there is no `Request`. */
export interface Source {
  readonly headers: Headers;
  readonly url: string;
}

/** The request of the Server Component, action or handler that runs. The cookies are one object for each of them. */
export async function currentRequest() {
  const next = await import("next/headers.js");
  const [cookies, headers] = [await next.cookies(), await next.headers()];
  const get = (name: string) => (name === "cookie" ? cookieHeader(cookies, headers.get(name)) : headers.get(name));
  return { cookies, source: { headers: { get } as Headers, url: "" } };
}

/**
 * The browser's cookies, and in their place those that the proxy or an action has set for what comes after it. Values are
 * encoded: decoded ones may contain what looks like other cookies.
 */
function cookieHeader(cookies: Awaited<ReturnType<typeof currentRequest>>["cookies"], header: string | null): string {
  const sent = header?.split(/; */) ?? [];
  const set = cookies
    .getAll()
    .map(({ name, value }) => ({ name, text: `${name}=${encodeURIComponent(value)}` }))
    .filter(({ text }) => !sent.includes(text));
  const kept = sent.filter((text) => !set.some(({ name }) => text.startsWith(`${name}=`)));
  return [...kept, ...set.map(({ text }) => text)].join("; ");
}

/** Sets a session's cookies. Next forgets a `Max-Age` of 0, and not when a cookie expires. */
export async function setCookies(
  target: { set(name: string, value: string, attributes: object): unknown },
  session: Pick<Session, "commit">,
): Promise<void> {
  for (const { name, value, ...attributes } of await session.commit("parts")) {
    target.set(name, value, attributes.maxAge === 0 ? { ...attributes, expires: new Date(0) } : attributes);
  }
}

/**
 * The response that `redirect()`, `notFound()`, `forbidden()` or `unauthorized()` asks for, each of which throws. Undefined:
 * the error is none of theirs.
 */
export function answerOf(error: unknown): Response | undefined {
  const digest = (error as { digest?: unknown } | null)?.digest;
  const [name, ...parts] = typeof digest === "string" ? digest.split(";") : [];
  if (name === "NEXT_HTTP_ERROR_FALLBACK") return new Response(null, { status: Number(parts[0]) });
  if (name !== "NEXT_REDIRECT") return undefined;
  const headers = { Location: parts.slice(1, -2).join(";") }; // an address may contain semicolons
  return new Response(null, { status: Number(parts.at(-2)), headers });
}

/** Looks for late changes when the response has been sent. */
export async function reportLateChangesAfter(session: LateChanges): Promise<void> {
  const { after } = await import("next/server.js");
  after?.(() => {
    if (session.watchesLateChanges) session.reportLateChanges();
  });
}
