import type { SessionChange } from "../../store.ts";

/** What listening needs of a `pg.Client`. */
export interface ListeningClient {
  connect(): Promise<unknown>;
  query(sql: string): Promise<unknown>;
  end(): Promise<unknown>;
  on(event: "notification", listener: (message: { payload?: string | undefined }) => void): unknown;
  on(event: "error" | "end", listener: () => void): unknown;
}

type Listener = (change: SessionChange) => void;
type OnListening = (listening: boolean) => void;

/** How long the connection may be silent before it is asked whether it still lives, in milliseconds. */
const HEARTBEAT = 10_000;

/**
 * Hears a channel for as long as somebody listens, over one connection that it makes again when it breaks.
 *
 * @param makeClient makes a client that is not yet connected.
 * @param timeout the longest that an answer may take, in milliseconds.
 */
export function listening(makeClient: () => Promise<ListeningClient>, channel: string, timeout: number) {
  const listeners = new Map<Listener, OnListening | undefined>();
  let connection: Promise<{ leave(): void }> | undefined;

  async function connect(): Promise<{ leave(): void }> {
    const client = await makeClient();
    let left = false;
    let heartbeat: NodeJS.Timeout | undefined;

    const leave = () => {
      left = true;
      clearInterval(heartbeat);
      client.end().catch(() => {});
    };
    const lost = () => {
      if (left) return;
      leave();
      connection = undefined;
      tell(false);
      reconnect();
    };
    const alive = (answer: Promise<unknown>) => {
      const timer = setTimeout(lost, timeout);
      answer.catch(lost).finally(() => clearTimeout(timer));
    };

    client.on("notification", ({ payload = "" }) => {
      const change = parse(payload);
      if (change !== undefined && !left) for (const listener of [...listeners.keys()]) listener(change);
    });
    try {
      // Until it listens, a failure is the caller's.
      client.on("error", () => heartbeat && lost());
      client.on("end", () => heartbeat && lost());
      await client.connect();
      await client.query(`LISTEN "${channel}"`);
    } catch (error) {
      leave();
      throw error;
    }
    // A connection that a firewall forgot says nothing; without questions, it would never be missed.
    heartbeat = setInterval(() => alive(client.query("")), HEARTBEAT).unref();
    return { leave };
  }

  function reconnect(pause = 100): void {
    setTimeout(
      async () => {
        if (listeners.size === 0 || connection !== undefined) return;
        try {
          connection = connect();
          await connection;
          tell(true);
        } catch {
          connection = undefined;
          reconnect(Math.min(pause * 2, 5_000));
        }
      },
      pause * (0.5 + Math.random()),
    ).unref();
  }

  function tell(state: boolean): void {
    for (const onListening of [...listeners.values()]) onListening?.(state);
  }

  async function leaveIfAlone(): Promise<void> {
    if (listeners.size > 0 || connection === undefined) return;
    const last = connection;
    connection = undefined;
    (await last.catch(() => undefined))?.leave();
  }

  return {
    async watch(listener: Listener, onListening?: OnListening): Promise<() => Promise<void>> {
      // Of its own, so that a function that listens twice can stop once.
      const own: Listener = (change) => listener(change);
      listeners.set(own, onListening);
      try {
        connection ??= connect();
        await connection;
      } catch (error) {
        connection = undefined;
        listeners.delete(own);
        throw error;
      }
      return async () => {
        listeners.delete(own);
        await leaveIfAlone();
      };
    },
    async close(): Promise<void> {
      listeners.clear();
      await leaveIfAlone();
    },
  };
}

/** What a statement passes to `pg_notify`: the type, the version or nothing, and the key, between spaces. */
function parse(payload: string): SessionChange | undefined {
  const [, type, version, key] = /^(write|delete) (\d*) (.*)$/s.exec(payload) ?? [];
  if (key === undefined) return undefined;
  return type === "write" ? { type, key, version: Number(version) } : { type: "delete", key };
}
