// What SvelteKit's responses tell: whether they are streamed, and what has failed.

import type { RequestEvent } from "@sveltejs/kit";

/** A result in such a body. SvelteKit 2 has the status beside the error. */
interface Result {
  type?: unknown;
  status?: unknown;
  error?: { status?: unknown };
  nodes?: (Result | null)[];
}

/**
 * True if a `load` function or a remote function has failed by an error of the server, where the response's status is 200
 * all the same. Without SvelteKit's client the same failure is a page with status 500.
 */
export async function failsWithStatus200(event: RequestEvent, response: Response): Promise<boolean> {
  if (!event.isDataRequest && !event.isRemoteRequest) return false;
  if (!/^(application\/json|text\/sveltekit-data)/.test(response.headers.get("content-type") ?? "")) return false;
  const line = await firstLine(response);
  if (!line.includes('"type":"error"')) return false;
  try {
    const result = JSON.parse(line) as Result;
    return [result, ...(result.nodes ?? [])].some((one) => one?.type === "error" && statusOf(one) >= 500);
  } catch {
    return false;
  }
}

/** SvelteKit gives every page an ETag that it does not stream. */
export function isStreamed({ headers }: Response): boolean {
  return !headers.has("etag") && headers.get("content-type")?.startsWith("text/html") === true;
}

function statusOf({ error, status }: Result): number {
  return Number(error?.status ?? status ?? 500);
}

/** What streams after the first line is not waited for. */
async function firstLine(response: Response): Promise<string> {
  const reader = response.clone().body?.pipeThrough(new TextDecoderStream()).getReader();
  if (reader === undefined) return "";
  let text = "";
  for (let done = false, chunk: string | undefined = ""; !done && !text.includes("\n"); text += chunk ?? "") {
    ({ done, value: chunk } = await reader.read());
  }
  reader.cancel().catch(() => {});
  return text.split("\n", 1)[0]!;
}
