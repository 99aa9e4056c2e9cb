import type { SessionChange } from "../../store.ts";
import type { Commands } from "./commands.ts";
import type { Names } from "./layout.ts";
import type { Link, Subscription } from "./link.ts";

export interface Watch {
  /** Resolves once it is listening. `onListening` is told when the subscription is lost (false) and there again (true). */
  add(listener: Listener, onListening?: (listening: boolean) => void): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

type Listener = (change: SessionChange) => void;

interface Entry {
  tell: Listener;
  onListening: ((listening: boolean) => void) | undefined;
  /** True from when it was told that the subscription is lost. */
  lost: boolean;
}

/** How often the connection is tried: it carries nothing by itself, so only this shows that it is dead. */
const HEARTBEAT = 5_000;

/** One subscription for all listeners, made anew whenever it is lost. */
export function watch(link: Link, names: Names, { channels, fallBack }: Commands): Watch {
  const listeners = new Set<Entry>();
  let current: Promise<Subscription> | undefined;
  let retry: NodeJS.Timeout | undefined;
  let beating: NodeJS.Timeout | undefined;

  function receive(message: string): void {
    const written = message[0] === "w";
    const key = names.keyOf(message.slice(written ? 10 : 1));
    const change: SessionChange = written
      ? { key, type: "write", version: message.slice(1, 10) }
      : { key, type: "delete" };
    for (const { tell } of listeners) call(() => tell(change));
  }

  async function subscribe(): Promise<Subscription> {
    try {
      return await link.subscribe(channels(), receive, lost);
    } catch (error) {
      if (!/unknown command/i.test(String(error)) || !fallBack()) throw error;
      return link.subscribe(channels(), receive, lost);
    }
  }

  function begin(): Promise<Subscription> {
    const begun = subscribe();
    current = begun;
    begun.then(
      (subscription) => {
        beating = setInterval(() => beat(subscription), HEARTBEAT).unref();
        tellListening(true);
      },
      () => {
        if (current === begun) current = undefined;
      },
    );
    return begun;
  }

  function beat(subscription: Subscription): void {
    const dead = () => {
      subscription.stop().catch(() => {});
      lost();
    };
    const timer = setTimeout(dead, HEARTBEAT).unref();
    subscription.ping().then(
      () => clearTimeout(timer),
      () => clearTimeout(timer),
    );
  }

  function lost(): void {
    clearInterval(beating);
    if (current === undefined) return;
    current = undefined;
    tellListening(false);
    again(50);
  }

  function tellListening(listening: boolean): void {
    for (const entry of listeners) {
      if (entry.lost !== listening) continue;
      entry.lost = !listening;
      call(() => entry.onListening?.(listening));
    }
  }

  function again(delay: number): void {
    retry = setTimeout(
      async () => {
        retry = undefined;
        if (listeners.size === 0 || current !== undefined) return;
        try {
          // Where a Cluster's slots have moved, its client learns of it by asking for one.
          if (link.cluster) await Promise.all(names.due.map((name) => link.send(name, ["EXISTS", name])));
          await begin();
        } catch {
          again(Math.min(delay * 2, 500));
        }
      },
      delay * (0.5 + Math.random()),
    ).unref();
  }

  async function end(): Promise<void> {
    clearTimeout(retry);
    clearInterval(beating);
    const ended = current;
    current = undefined;
    await ended?.then(
      (subscription) => subscription.stop(),
      () => {},
    );
    clearInterval(beating);
  }

  return {
    async add(tell, onListening) {
      const entry: Entry = { tell, onListening, lost: false };
      listeners.add(entry);
      try {
        await (current ?? begin());
      } catch (error) {
        listeners.delete(entry);
        throw error;
      }
      return async () => {
        listeners.delete(entry);
        if (listeners.size === 0) await end();
      };
    },

    async close() {
      listeners.clear();
      await end();
    },
  };
}

/** What a listener throws is its own fault, and not the connection's. */
function call(listener: () => void): void {
  try {
    listener();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
