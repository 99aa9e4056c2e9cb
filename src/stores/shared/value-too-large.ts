// The error for a session that exceeds what a service stores as one record.

import { CoatcheckError } from "../../errors.ts";

/**
 * @param container what holds one session, for the message: "an item of Cosmos DB".
 * @param maxBytes the largest value that fits.
 * @param bytes the size of the value that was refused; undefined if only the service knows it.
 */
export function valueTooLarge(container: string, maxBytes: number, bytes?: number, cause?: unknown): CoatcheckError {
  const session = bytes === undefined ? "the session" : `a session of ${bytes} bytes`;
  return new CoatcheckError(
    "COATCHECK_TOO_LARGE",
    `coatcheck: ${session} does not fit into ${container}, which takes at most ${maxBytes} bytes; nothing was written. Store large data elsewhere and keep its key in the session.`,
    { cause },
  );
}
