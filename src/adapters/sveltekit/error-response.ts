// The response to a session's error, in the form that SvelteKit gives to an error of a hook.

import type { RequestEvent } from "@sveltejs/kit";
import type { CoatcheckError } from "../../index.ts";
import { respondToError } from "../error-response.ts";

/** A text, or JSON where SvelteKit's client waits for it. */
export async function respondToKit(error: CoatcheckError, event: RequestEvent): Promise<Response> {
  const response = respondToError(error);
  const acceptsJson = /^application\/json/.test(event.request.headers.get("accept") ?? "");
  if (!acceptsJson && !event.isDataRequest && !event.isRemoteRequest) return response;
  const { status, headers } = response;
  headers.delete("content-type");
  return Response.json({ status, message: (await response.text()).trim() }, { status, headers });
}
