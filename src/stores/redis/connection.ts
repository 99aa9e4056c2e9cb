// What the Redis store needs of a client, whichever package it is of.

import { isRefusal, toThrow } from "./errors.ts";
import type { Script } from "./scripts.ts";

/** A client, and the one or many servers behind it. */
export interface Connection {
  /** True if keys are spread over several servers by their slot. With `learnKind`, only known once that has resolved. */
  readonly isCluster: boolean;
  /** Finds out what the servers are. Only where the options do not say so. */
  learnKind?(): Promise<void>;
  /** Sends a command to the server that has `key`. Bulk strings in the reply are Buffers; a simple "OK" is a string. */
  send(key: string, args: Arg[]): Promise<Reply>;
  /** Gives a `send` for each server that has a share of the keys. */
  nodes(): Promise<Send[]>;
  /**
   * Subscribes on new connections. Resolves once all channels are subscribed. Calls `onLost` once if the subscription then
   * ends for any reason but `stop`; it does not come back by itself.
   */
  subscribe(channels: Channels, onMessage: (message: string) => void, onLost: () => void): Promise<Subscription>;
  /** Connects again, in the background: the server has answered that it can't serve. Only for clients of the store's own. */
  renew?(): void;
  /** Closes what the store has opened. A client that was handed in stays open. */
  close(): Promise<void>;
}

export type Arg = string | Buffer;
export type Reply = null | number | string | Buffer | Reply[];
export type Send = (args: Arg[]) => Promise<Reply>;

/** One channel for all changes or, in a Cluster, several that each live in a slot. */
export type Channels = string | readonly { name: string; slot: number }[];

export interface Subscription {
  /** Rejects, or never settles, if the connection is dead. */
  ping(): Promise<unknown>;
  stop(): Promise<void>;
}

/** How to open, check and end the connections of a subscription. `onFailure` may be called more than once. */
interface SubscriptionSteps {
  open(onFailure: () => void): Promise<unknown>;
  ping(): Promise<unknown>;
  end(): unknown;
}

/** A subscription that ends as a whole if any of its connections fails. `onLost` is called once, unless it was stopped. */
export async function openSubscription(
  { open, ping, end }: SubscriptionSteps,
  onLost: () => void,
): Promise<Subscription> {
  let isListening = false;
  let hasEnded = false;
  let failOpening: (reason: Error) => void = () => {};
  async function stop(): Promise<void> {
    if (hasEnded) return;
    hasEnded = true;
    try {
      await end();
    } catch {
      // The connection has ended by itself.
    }
  }
  function onFailure(): void {
    if (hasEnded) return;
    stop();
    failOpening(new Error("the connection to Redis was lost while it subscribed"));
    if (isListening) onLost();
  }
  try {
    // The promises of a client that ends while it connects may never settle.
    const failure = new Promise((_, reject) => {
      failOpening = reject;
    });
    await Promise.race([open(onFailure), failure]);
  } catch (error) {
    await stop();
    throw error;
  }
  isListening = true;
  return { ping, stop };
}

/** Resolves once the server has answered, be it with a refusal: one that can't write a snapshot refuses a PING. */
export async function ping(send: Send): Promise<void> {
  try {
    await send(["PING"]);
  } catch (error) {
    if (!isRefusal(error)) throw error;
  }
}

/** Runs a script by its hash, or by its text if the server does not know the hash. */
export async function runScript(
  connection: Connection,
  { sha, source }: Script,
  key: string,
  argv: Arg[],
): Promise<Reply> {
  try {
    return await connection.send(key, ["EVALSHA", sha, "1", key, ...argv]).catch((error) => {
      if (!isUnknownScript(error)) throw error;
      return connection.send(key, ["EVAL", source, "1", key, ...argv]);
    });
  } catch (error) {
    throw toThrow(connection, error);
  }
}

export function isUnknownScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("NOSCRIPT");
}

/** True if the server is too old for a command, or its administrator has removed the command. */
export function isUnknownCommand(error: unknown): boolean {
  return /unknown (redis )?command/i.test(String(error));
}
