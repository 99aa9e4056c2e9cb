// What SvelteKit's `redirect()` throws.

import type { RequestEvent } from "@sveltejs/kit";
import type { AdapterSession } from "../../index.ts";

/** True for what SvelteKit's `redirect()` throws. Its class is one of the application's build. */
export function isRedirect(error: unknown): error is { status: number; location: string } {
  const { status, location } = (error ?? {}) as { status?: unknown; location?: unknown };
  return typeof location === "string" && typeof status === "number" && status >= 300 && status < 400;
}

/** Sets the session's cookies where SvelteKit answers a redirect, in several ways: it sends the cookies that it knows. */
export async function setCookies(event: RequestEvent, session: Pick<AdapterSession, "commit">): Promise<void> {
  for (const { name, value, ...attributes } of await session.commit("parts")) {
    event.cookies.set(name, value, { ...attributes, encode: String });
  }
}
