// Writes what happens to a logger.

import type { SessionEvents, Sessions } from "../index.ts";

/** A logger of the shape of pino: the fields first, then the message. */
export interface PinoLike {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  child(bindings: object): unknown;
}

/** A logger of the shape of console. */
export interface ConsoleLike {
  info(message: string, fields: object): void;
  warn(message: string, fields: object): void;
  error(message: string, fields: object): void;
}

type Level = "info" | "warn" | "error";

/**
 * The level and the message of each event that is logged. Those that happen with every request are not, and neither are late
 * changes: outside of production a warning names them, and to look for them there costs each request.
 */
const MESSAGES: { [Name in keyof SessionEvents]?: [level: Level, message: string] } = {
  start: ["info", "session started"],
  end: ["info", "session ended"],
  takeover: ["warn", "lease taken over from a request that had stopped renewing it"],
  leaseLost: ["warn", "lease lost: the request's write was refused"],
  duplicateCookies: ["warn", "several session cookies came with one request"],
  unreadable: ["error", "a record or a value can't be opened"],
  clockSkew: ["warn", "this server's clock is not that of the store"],
  storeError: ["warn", "a call to the store failed"],
  storeDown: ["error", "the store is down"],
  storeUp: ["info", "the store is up again"],
};

/**
 * Logs what happens: `logTo(sessions, pino())`, or `logTo(sessions, console)`. Never a value of a session, and never a ticket;
 * ids are the public ones. Returns a function that stops it.
 */
export function logTo<Data extends object>(sessions: Sessions<Data>, logger: PinoLike | ConsoleLike): () => void {
  const isPino = "child" in logger;
  const stops = Object.entries(MESSAGES).map(([event, [level, message]]) =>
    sessions.on(event as keyof SessionEvents, (fields) => {
      const { data: _, ...safe } = { ...fields, event } as { data?: unknown; event: string };
      if (isPino) logger[level](safe, message);
      else logger[level](message, safe);
    }),
  );
  return () => {
    for (const stop of stops) stop();
  };
}
