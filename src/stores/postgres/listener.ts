// Listens to a channel of PostgreSQL on which the stores announce changes.

import { StoreError, storeTimeoutError, toStoreError } from "../../errors.ts";
import type { SessionChange } from "../../store.ts";
import { callListener } from "../../util/listeners.ts";
import { watchdog, withTimeout } from "../../util/timeout.ts";

/** What the listener uses of a `pg.Client`. */
export interface ListeningClient {
  connect(): Promise<unknown>;
  query(sql: string): Promise<unknown>;
  end(): Promise<unknown>;
  on(event: "notification", listener: (message: { payload?: string | undefined }) => void): unknown;
  on(event: "error" | "end", listener: () => void): unknown;
}

type Listener = (change: SessionChange) => void;
type OnListening = (listening: boolean) => void;

/** A connection that listens. */
interface Connection {
  close(): void;
  /** Does what is done when the connection breaks: another one is made. */
  abandon(): void;
}

/** How often the connection is checked. */
const HEARTBEAT_MS = 10_000;

/** How long to wait before connecting again. Doubles after each failure, and has jitter. */
const BASE_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 5_000;

/**
 * Listens to a channel while there are listeners. They share one connection, which is made again when it breaks.
 *
 * @param makeClient makes a client that is not yet connected.
 * @param timeout milliseconds after which a connection that does not answer counts as broken.
 */
export function createChangeListener(makeClient: () => Promise<ListeningClient>, channel: string, timeout: number) {
  const listeners = new Map<Listener, OnListening | undefined>();
  let connection: Promise<Connection> | undefined;
  let isClosed = false;

  /** The connection, which is made if there is none. */
  function connected(): Promise<Connection> {
    if (connection !== undefined) return connection;
    const attempt = connect();
    connection = attempt;
    attempt.catch(() => {
      if (connection === attempt) connection = undefined;
    });
    return attempt;
  }

  async function connect(): Promise<Connection> {
    const client = await makeClient();
    let hasEnded = false;
    let heartbeat: NodeJS.Timeout | undefined;

    const close = () => {
      hasEnded = true;
      clearInterval(heartbeat);
      client.end().catch(() => {});
    };
    const onLost = () => {
      if (hasEnded) return;
      close();
      connection = undefined;
      notifyAll(false);
      reconnect(BASE_BACKOFF_MS);
    };

    client.on("notification", ({ payload = "" }) => {
      const change = parse(payload);
      if (change !== undefined && !hasEnded)
        for (const listener of [...listeners.keys()]) callListener(listener, change);
    });
    try {
      // A failure before the heartbeat begins is thrown to the caller.
      client.on("error", () => heartbeat && onLost());
      client.on("end", () => heartbeat && onLost());
      const listening = client.connect().then(() => client.query(`LISTEN "${channel}"`));
      await withTimeout(listening, timeout, () => storeTimeoutError("PostgreSQL", "watch", timeout));
    } catch (error) {
      close();
      throw error;
    }
    // A connection that a firewall has dropped reports no error. Only a query finds out.
    heartbeat = setInterval(() => {
      const answer = client.query("");
      watchdog(answer, timeout, onLost);
      answer.catch(onLost);
    }, HEARTBEAT_MS).unref();
    return { close, abandon: onLost };
  }

  function reconnect(backoff: number): void {
    setTimeout(
      async () => {
        if (listeners.size === 0 || connection !== undefined) return;
        try {
          await connected();
          notifyAll(true);
        } catch {
          reconnect(Math.min(backoff * 2, MAX_BACKOFF_MS));
        }
      },
      backoff * (0.5 + Math.random()),
    ).unref();
  }

  function notifyAll(listening: boolean): void {
    for (const onListening of [...listeners.values()]) {
      if (onListening !== undefined) callListener(onListening, listening);
    }
  }

  async function closeIfUnused(): Promise<void> {
    if (listeners.size > 0 || connection === undefined) return;
    const last = connection;
    connection = undefined;
    (await last.catch(() => undefined))?.close();
  }

  return {
    async watch(listener: Listener, onListening?: OnListening): Promise<() => Promise<void>> {
      if (isClosed) throw new StoreError("coatcheck: cannot watch: the store is closed.");
      // A function of its own, so that a listener that was added twice is removed once.
      const ownListener: Listener = (change) => listener(change);
      listeners.set(ownListener, onListening);
      try {
        await connected();
      } catch (error) {
        listeners.delete(ownListener);
        throw toStoreError("PostgreSQL", "watch", error);
      }
      return async () => {
        listeners.delete(ownListener);
        await closeIfUnused();
      };
    },

    /** Makes another connection, since the present one leads to a server that is no longer the primary. */
    async reconnect(): Promise<void> {
      (await connection?.catch(() => undefined))?.abandon();
    },

    async close(): Promise<void> {
      isClosed = true;
      listeners.clear();
      await closeIfUnused();
    },
  };
}

/** A notification is the type, the version or nothing, and the key, between spaces. */
function parse(payload: string): SessionChange | undefined {
  const [, type, version, key] = /^(write|delete) (\d*) (.*)$/s.exec(payload) ?? [];
  if (key === undefined) return undefined;
  return type === "write" ? { type, key, version: Number(version) } : { type: "delete", key };
}
