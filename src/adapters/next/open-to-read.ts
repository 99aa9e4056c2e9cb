// Opens a session for a Server Component, which can't set cookies.

import type { AdapterSession, Sessions } from "../../index.ts";
import { reportLateChangesAfter, type Source } from "./current-request.ts";

/** Opens a session of the request that runs, for reading. */
export async function openToRead<Data extends object>(
  sessions: Sessions<Data>,
  source: Source,
  extend: boolean,
): Promise<AdapterSession<Data>> {
  const { io } = await import("next/cache.js");
  await io?.(); // a prerender must not go on to what looks at the clock
  const opened = await sessions.openMaybeSync(source, { mode: "readonly", extend });
  await opened.commit(); // which extends the session's life in the store, and needs no cookie
  await reportLateChangesAfter(opened);
  return opened;
}
