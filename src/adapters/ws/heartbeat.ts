// Whether the client of a WebSocket is still there.

import type { WebSocket } from "ws";

/** True if the client has answered since the last call: one that has vanished keeps no session alive. */
export function heartbeat(client: WebSocket): () => boolean {
  let isThere = true;
  client.on("pong", () => {
    isThere = true;
  });
  return () => {
    const wasThere = isThere;
    isThere = false;
    client.ping(undefined, undefined, () => {});
    return wasThere;
  };
}
