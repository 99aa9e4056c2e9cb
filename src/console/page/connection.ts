// Follows the server's stream of states, and connects again when it breaks.

import type { ConsoleState } from "../protocol.ts";

export type Connection =
  | { status: "connecting" }
  | { status: "live" }
  /** It is tried again. */
  | { status: "broken" }
  /** The server does not let this browser in, which is tried again, too. */
  | { status: "refused" };

const PAUSE_MS = 1_000;
/** A state comes about once a second. A stream that is silent for so long is dead, even if nothing says so. */
const SILENCE_MS = 5_000;

/** Never returns. `onState` is called with each state, `onConnection` when the connection changes. */
export async function follow(
  onState: (state: ConsoleState) => void,
  onConnection: (connection: Connection) => void,
): Promise<never> {
  let isLive = false;
  for (;;) {
    let next: Connection = { status: "broken" };
    try {
      await readStream((state) => {
        if (!isLive) onConnection({ status: "live" });
        isLive = true;
        onState(state);
      });
    } catch (error) {
      if (error instanceof Refusal) next = { status: "refused" };
    }
    isLive = false;
    onConnection(next);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

class Refusal extends Error {}

/** Reads a stream to its end. It is read with `fetch`, because an `EventSource` does not tell why a server refuses. */
async function readStream(onState: (state: ConsoleState) => void): Promise<void> {
  const controller = new AbortController();
  const timer = () => setTimeout(() => controller.abort(), SILENCE_MS);
  let silence = timer();
  try {
    const response = await fetch("./live", {
      headers: { accept: "text/event-stream" },
      cache: "no-store",
      signal: controller.signal,
    });
    if (response.status === 401 || response.status === 403) throw new Refusal();
    if (!response.ok || response.body === null) return;
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const events = new EventParser();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(silence);
      silence = timer();
      for (const data of events.push(value)) {
        const state = JSON.parse(data) as ConsoleState;
        // An error in the page is none of the stream.
        queueMicrotask(() => onState(state));
      }
    }
  } finally {
    clearTimeout(silence);
  }
}

/** Cuts a stream into server-sent events. */
export class EventParser {
  #rest = "";

  /** The data of the events that are complete. */
  push(text: string): string[] {
    const blocks = (this.#rest + text).split("\n\n");
    this.#rest = blocks.pop()!;
    return blocks.map(dataOf).filter((data) => data !== "");
  }
}

function dataOf(block: string): string {
  const lines = block.split("\n").filter((line) => line.startsWith("data:"));
  return lines.map((line) => line.slice("data:".length).trimStart()).join("\n");
}
