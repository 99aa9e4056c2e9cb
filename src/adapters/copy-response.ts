// Copies a `Response`, whose headers may be fixed, as servers of all kinds make it.

/**
 * The headers of a redirect or of a fetched response can't be changed, but those of a copy can. And an application may
 * send one response to several users. `Response.error()` and an upgrade (101) can't be copied: they stay as they are. Deno
 * would make a copy of an upgrade, which then is none.
 */
export function copyOf(response: Response): Response {
  if (response.status === 101) return response;
  try {
    const unread = unreadBodyOf(response);
    return new Response(unread === undefined ? response.body : unread, response);
  } catch {
    return response;
  }
}

/**
 * The body that @hono/node-server keeps beside a response until somebody asks for its stream. It writes it at once, and a
 * stream piece by piece, which takes longer than all that a session does. Undefined: there is none.
 */
function unreadBodyOf(response: Response): string | Uint8Array<ArrayBuffer> | null | undefined {
  const key = Object.getOwnPropertySymbols(response).find(({ description }) => description === "cache");
  if (key === undefined) return undefined;
  const kept = (response as unknown as Record<symbol, unknown>)[key];
  const body: unknown = Array.isArray(kept) && kept[0] === response.status ? kept[1] : undefined;
  if (body === null || typeof body === "string") return body;
  return body instanceof Uint8Array ? (body as Uint8Array<ArrayBuffer>) : undefined;
}

/** Some servers make a response when its body is asked for, and only then find that its status can't have one. */
export function bodyOf(response: Response): ReadableStream | null {
  try {
    return response.body;
  } catch {
    return null;
  }
}
