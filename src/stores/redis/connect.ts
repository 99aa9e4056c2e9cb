// Opens the store's own connections, with the package `redis`.

import { loadRedis } from "../shared/optional-packages.ts";
import { preloadPeer } from "../shared/peer-dependency.ts";
import { connectCluster, connectSentinel } from "./connect-group.ts";
import { connectSingle } from "./connect-single.ts";
import { connectUnknown } from "./connect-unknown.ts";
import type { Connection } from "./connection.ts";
import type { Target } from "./options.ts";
import type { LoadPackage } from "./own-client.ts";

/**
 * Begins to load the package, connects on first use, and again whenever the connection is lost. While there is no
 * connection, calls fail immediately.
 */
export function connect(target: Target): Connection {
  const load = preloadPeer("redis", loadRedis) as unknown as LoadPackage;
  if (target.kind === "single") return connectSingle(target, load);
  if (target.kind === "cluster") return connectCluster(target, load);
  if (target.kind === "sentinel") return connectSentinel(target, load);
  return connectUnknown(target, load);
}
