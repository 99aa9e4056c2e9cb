// Makes a contender of coatcheck on node:http with one kind of telemetry.
import type { IncomingMessage, ServerResponse } from "node:http";
import { session } from "../../src/adapters/node.ts";
import type { Session, Sessions } from "../../src/index.ts";
import { nodeApp } from "../apps/node.ts";
import type { Contender } from "../contender.ts";
import type { Fields } from "../session-data.ts";
import { sessionsIn, withCoatcheck } from "./coatcheck.ts";

type Handler = (req: IncomingMessage, res: ServerResponse) => unknown;

/**
 * @param turnOn sets the telemetry up. What it gives is put around each request, such as a context with a span.
 */
export function withTelemetry(
  name: string,
  turnOn: (sessions: Sessions<Fields>) => Promise<(handler: Handler) => Handler>,
): Contender {
  return {
    framework: "node:http",
    names: { redis: `coatcheck, redis, ${name}`, cached: `coatcheck, cached(redis), ${name}` },
    ours: true,
    onlyByName: true,
    async start(store, address) {
      const sessions = await sessionsIn(store, address);
      const wrap = session(sessions);
      const around = await turnOn(sessions);
      return nodeApp<{ session: Session<Fields> }>(withCoatcheck, (handler) => around(wrap(handler)));
    },
  };
}
