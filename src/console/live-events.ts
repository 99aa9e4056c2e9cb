// The stream of what the console shows, as server-sent events.

import type { ConsoleState } from "./protocol.ts";

/** What shows itself from time to time, until the result is called. */
interface Shown {
  watch(listener: (state: ConsoleState) => void): () => void;
}

// Browsers that have lost the stream ask for it again.
const RETRY_MS = 1_000;

/** Goes on until the signal is aborted. A client that is slow misses states, and gets the newest one. */
export async function* liveEvents(shown: Shown, end: AbortSignal): AsyncGenerator<string> {
  if (end.aborted) return;
  let newest: ConsoleState | undefined;
  let wake = Promise.withResolvers<void>();
  const stop = shown.watch((state) => {
    newest = state;
    wake.resolve();
  });
  end.addEventListener("abort", () => {
    stop();
    wake.resolve();
  });
  yield `retry: ${RETRY_MS}\n\n`;
  while (!end.aborted) {
    if (newest === undefined) await wake.promise;
    wake = Promise.withResolvers();
    const state = newest;
    newest = undefined;
    if (state !== undefined && !end.aborted) yield `data: ${JSON.stringify(state)}\n\n`;
  }
}
