// Opens clients in bounded time, and ends them.

import { withTimeout } from "../../util/timeout.ts";

/** How long another connection may take that is to replace one, or is only to ask something. */
const REPLACEMENT_TIMEOUT_MS = 2_000;
/** How long `closeClient` lets pending commands finish. */
const CLOSE_TIMEOUT_MS = 1_000;

/** Gives a client that `open` has made, once it has done that and `prove`. Else the client is destroyed. */
export async function openInTime<Client extends { destroy(): unknown }>(
  client: Client,
  prove: (client: Client) => Promise<unknown>,
): Promise<Client> {
  const late = () => new Error("Redis did not answer on a new connection in time");
  try {
    await withTimeout(prove(client), REPLACEMENT_TIMEOUT_MS, late);
    return client;
  } catch (error) {
    await client.destroy();
    throw error;
  }
}

/** Ends a client that is of no use any more. Its pending commands fail. */
export async function discardClient(client: { destroy(): unknown }): Promise<void> {
  try {
    await client.destroy();
  } catch {
    // It has ended already.
  }
}

/** Lets pending commands finish, within the time limit. */
export async function closeClient(client: { close(): Promise<unknown>; destroy(): unknown }): Promise<void> {
  const late = () => new Error("the Redis client did not close in time");
  await withTimeout(client.close(), CLOSE_TIMEOUT_MS, late).catch(() => {});
  await client.destroy();
}
