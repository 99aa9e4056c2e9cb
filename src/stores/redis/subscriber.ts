// One subscription to the changes of all sessions, for every listener of a store.

import type { SessionChange } from "../../store.ts";
import { callListener } from "../../util/listeners.ts";
import { watchdog } from "../../util/timeout.ts";
import type { Commands } from "./commands.ts";
import { type Connection, isUnknownCommand, type Subscription } from "./connection.ts";
import type { Names } from "./format.ts";

export interface Subscriber {
  /**
   * Resolves once the subscription is there, with a function that removes the listener. `onListening` is called with false
   * when the subscription is lost, and with true when it is back.
   */
  add(listener: Listener, onListening?: (listening: boolean) => void): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

type Listener = (change: SessionChange) => void;

interface Entry {
  readonly listener: Listener;
  readonly onListening: ((listening: boolean) => void) | undefined;
  /** True from when `onListening` was called with false until it is called with true. */
  isLost: boolean;
}

/** How often the connection is checked. It is idle by itself, so only this reveals that it is dead. */
const HEARTBEAT_MS = 5_000;
/** How long a check may take. */
const ANSWER_MS = 2_000;
const BASE_BACKOFF_MS = 50;
const MAX_BACKOFF_MS = 500;

/** The subscription begins with the first listener, ends with the last one, and is opened again whenever it is lost. */
export function createSubscriber(
  connection: Connection,
  names: Names,
  { channels, avoidShardedChannels }: Commands,
): Subscriber {
  const entries = new Set<Entry>();
  let current: Promise<Subscription> | undefined;
  let retry: NodeJS.Timeout | undefined;
  let heartbeat: NodeJS.Timeout | undefined;

  function onMessage(message: string): void {
    const isWrite = message[0] === "w";
    const key = names.keyOf(message.slice(isWrite ? 10 : 1));
    const change: SessionChange = isWrite
      ? { key, type: "write", version: message.slice(1, 10) }
      : { key, type: "delete" };
    for (const { listener } of entries) callListener(listener, change);
  }

  async function subscribe(): Promise<Subscription> {
    try {
      return await connection.subscribe(await channels(), onMessage, onLost);
    } catch (error) {
      if (!isUnknownCommand(error) || !avoidShardedChannels()) throw error;
      return connection.subscribe(await channels(), onMessage, onLost);
    }
  }

  function begin(): Promise<Subscription> {
    const begun = subscribe();
    current = begun;
    begun.then(
      (subscription) => {
        heartbeat = setInterval(() => checkAlive(subscription), HEARTBEAT_MS).unref();
        reportListening(true);
      },
      () => {
        if (current === begun) current = undefined;
      },
    );
    return begun;
  }

  function checkAlive(subscription: Subscription): void {
    watchdog(subscription.ping(), ANSWER_MS, () => {
      subscription.stop().catch(() => {});
      onLost();
    });
  }

  function onLost(): void {
    clearInterval(heartbeat);
    if (current === undefined) return;
    current = undefined;
    reportListening(false);
    retryIn(BASE_BACKOFF_MS);
  }

  function reportListening(listening: boolean): void {
    for (const entry of entries) {
      if (entry.isLost !== listening) continue;
      entry.isLost = !listening;
      if (entry.onListening) callListener(entry.onListening, listening);
    }
  }

  function retryIn(delay: number): void {
    retry = setTimeout(
      async () => {
        retry = undefined;
        if (entries.size === 0 || current !== undefined) return;
        try {
          // If slots of a Cluster have moved, its client finds out when it sends a command to them.
          if (connection.isCluster) {
            await Promise.all(names.expiryIndexes.map((name) => connection.send(name, ["EXISTS", name])));
          }
          await begin();
        } catch {
          retryIn(Math.min(delay * 2, MAX_BACKOFF_MS));
        }
      },
      delay * (0.5 + Math.random()),
    ).unref();
  }

  async function end(): Promise<void> {
    clearTimeout(retry);
    clearInterval(heartbeat);
    const ended = current;
    current = undefined;
    await ended?.then(
      (subscription) => subscription.stop(),
      () => {},
    );
    // The subscription may have begun only now.
    clearInterval(heartbeat);
  }

  return {
    async add(listener, onListening) {
      const entry: Entry = { listener, onListening, isLost: false };
      entries.add(entry);
      try {
        await (current ?? begin());
      } catch (error) {
        entries.delete(entry);
        throw error;
      }
      return async () => {
        entries.delete(entry);
        if (entries.size === 0) await end();
      };
    },

    async close() {
      entries.clear();
      await end();
    },
  };
}
