// Goes around the connection of a client that was handed in, while that connection does not answer.

import { setTimeout as sleep } from "node:timers/promises";
import { type Arg, ping, type Reply, type Send } from "./connection.ts";
import { createLiveness } from "./liveness.ts";

/** A client of the application. It is used, and left as it is. */
export interface GivenClient {
  readonly isReady: boolean;
  send: Send;
  /** Opens another connection to the same server, and resolves once the server has answered on it. */
  open(): Promise<OtherConnection>;
}

/** A connection of the store's own. */
export interface OtherConnection {
  send: Send;
  /** `listener` is called when the connection is lost. */
  onLost(listener: () => void): void;
  end(): void;
}

export interface Detour {
  send: Send;
  close(): void;
}

/** How often the client is asked whether it answers again. */
const RETURN_AFTER_MS = 500;

/**
 * Sends over the client. If its connection was dropped without a word, which the client itself may notice after many
 * minutes, pending commands fail, and others go over another connection until the client answers again.
 */
export function createDetour(client: GivenClient): Detour {
  const pending = new Set<(error: Error) => void>();
  let other: OtherConnection | undefined;

  const liveness = createLiveness<OtherConnection>({
    ping: () => (other === undefined && client.isReady ? client.send(["PING"]) : undefined),
    open: () => client.open(),
    replace(fresh) {
      other = fresh;
      failPending();
      fresh.onLost(() => leave(fresh));
      waitForClient(fresh).catch(() => {});
    },
    discard: (fresh) => fresh.end(),
    drop: failPending,
  });

  function failPending(): void {
    for (const reject of pending) reject(new Error("the connection of the Redis client does not answer"));
    pending.clear();
  }

  async function waitForClient(fresh: OtherConnection): Promise<void> {
    for (let isBack = false; !isBack && other === fresh; ) {
      await sleep(RETURN_AFTER_MS, undefined, { ref: false });
      isBack = client.isReady && (await ping(client.send).then(() => true, () => false)); // biome-ignore format: one line
    }
    if (other !== fresh) return;
    other = undefined;
    // Its answers come in order: the last one shows that none is pending.
    await ping(fresh.send);
    fresh.end();
  }

  function leave(fresh: OtherConnection): void {
    if (other === fresh) other = undefined;
    fresh.end();
  }

  /** The reply, unless the connection turns out to be dead. */
  function send(args: Arg[]): Promise<Reply> {
    if (other !== undefined) return other.send(args);
    liveness.used();
    const reply = client.send(args);
    return new Promise((resolve, reject) => {
      pending.add(reject);
      reply.then(
        (value) => {
          pending.delete(reject);
          resolve(value);
        },
        (error) => {
          pending.delete(reject);
          reject(error);
        },
      );
    });
  }

  return {
    send,
    close() {
      liveness.stop();
      other?.end();
      other = undefined;
    },
  };
}
