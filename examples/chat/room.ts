// What is said reaches the sockets of every server: by Redis, if there is one.

import { createClient } from "redis";

const CHANNEL = "cloakroom";

export interface Room {
  say(user: string, text: string): Promise<unknown>;
}

/** `deliver` gets every message, as JSON. */
export async function openRoom(deliver: (message: string) => void): Promise<Room> {
  const { REDIS_URL: url } = process.env;
  if (url === undefined) return { say: async (user, text) => deliver(JSON.stringify({ user, text })) };
  const publisher = await createClient({ url }).on("error", console.error).connect();
  const subscriber = await publisher.duplicate().on("error", console.error).connect();
  await subscriber.subscribe(CHANNEL, deliver);
  return { say: (user, text) => publisher.publish(CHANNEL, JSON.stringify({ user, text })) };
}
