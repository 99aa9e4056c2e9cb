// A server whose clock is wrong. Its settings are the first argument, and each message is a request to it.

import { createSessions } from "../../../src/index.ts";
import { type RedisOptions, redis } from "../../../src/stores/redis/index.ts";
import { shiftClock } from "../../chaos/shifted-clock.ts";
import { SECRET } from "../../support/stores.ts";

/** `shift`: milliseconds by which the clock is ahead. */
export interface ClockSettings {
  shift: number;
  redis: RedisOptions;
}

export interface ClockRequest {
  call: "increment" | "read" | "sweep" | "list";
  cookie?: string | undefined;
}

/** `value`: the counter; how many sessions were swept; how many are listed. */
export interface ClockReply {
  value?: number;
  cookie?: string | undefined;
  error?: string;
}

const settings = JSON.parse(process.argv[2]!) as ClockSettings;
shiftClock(settings.shift);

const sessions = createSessions<{ n: number }>({
  store: redis(settings.redis),
  secret: SECRET,
  idleTimeout: "20m",
  sweepInterval: false,
});

async function answer({ call, cookie }: ClockRequest): Promise<ClockReply> {
  if (call === "sweep") return { value: settings.redis.keepExpired ? await sessions.sweep() : 0 };
  if (call === "list") {
    let value = 0;
    for await (const _ of sessions.list({ owner: "ann" })) value++;
    return { value };
  }
  const session = await sessions.open(cookie, { mode: call === "read" ? "readonly" : "exclusive" });
  if (call === "increment") {
    session.owner = "ann";
    session.data.n = (session.data.n ?? 0) + 1;
  }
  const value = session.data.n;
  const [setCookie] = await session.commit();
  return { value, cookie: setCookie?.split(";")[0] ?? cookie };
}

process.on("message", (request: ClockRequest) => {
  answer(request).then(
    (reply) => process.send!(reply),
    (error) => process.send!({ error: String(error) }),
  );
});
process.send!("ready");
