import type { Script } from "./scripts.ts";

/** All that the store needs of a client, whichever it is and however many servers are behind it. */
export interface Link {
  /** True if keys are spread over several servers by their slot. */
  readonly cluster: boolean;
  /** Sends a command to the server that has `key`. Strings in the reply are Buffers, or strings for a simple "OK". */
  send(key: string, args: Arg[]): Promise<Reply>;
  /** What sends to each server that has a share of the keys. */
  nodes(): Promise<Send[]>;
  /**
   * Listens on connections of its own. Resolves once all channels are subscribed; calls `onLost` once if that ends
   * for any reason but `stop`, and is then of no more use.
   */
  subscribe(channels: Channels, onMessage: (message: string) => void, onLost: () => void): Promise<Subscription>;
  /** Frees what the link opened: nothing, for a client that was handed in. */
  close(): Promise<void>;
}

export type Arg = string | Buffer;
export type Reply = null | number | string | Buffer | Reply[];
export type Send = (args: Arg[]) => Promise<Reply>;

/** One channel for everything, or, in a Cluster, some that each live in a slot. */
export type Channels = string | readonly { name: string; slot: number }[];

export interface Subscription {
  /** Rejects, or does not answer, if the connection is dead. */
  ping(): Promise<unknown>;
  stop(): Promise<void>;
}

/** A subscription that ends as a whole as soon as any part of it goes wrong: then `onLost`, once, unless it was stopped. */
export async function subscription(
  { open, end, ping }: { open(lose: () => void): Promise<unknown>; end(): unknown; ping(): Promise<unknown> },
  onLost: () => void,
): Promise<Subscription> {
  let listening = false;
  let over = false;
  let giveUp: (reason: Error) => void = () => {};
  async function stop(): Promise<void> {
    if (over) return;
    over = true;
    try {
      await end();
    } catch {
      // It had ended by itself.
    }
  }
  function lose(): void {
    if (over) return;
    stop();
    giveUp(new Error("the connection to Redis was lost while it began to listen"));
    if (listening) onLost();
  }
  try {
    // A client that ends while it connects may leave its promises open.
    const lost = new Promise((_, reject) => {
      giveUp = reject;
    });
    await Promise.race([open(lose), lost]);
  } catch (error) {
    await stop();
    throw error;
  }
  listening = true;
  return { ping, stop };
}

/** Runs a script by its hash, and by its text where the server does not know it yet. */
export async function run(link: Link, { sha, source }: Script, key: string, argv: Arg[]): Promise<Reply> {
  try {
    return await link.send(key, ["EVALSHA", sha, "1", key, ...argv]);
  } catch (error) {
    if (!isUnknownScript(error)) throw error;
    return link.send(key, ["EVAL", source, "1", key, ...argv]);
  }
}

export function isUnknownScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("NOSCRIPT");
}
