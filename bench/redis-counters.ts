import { connect } from "node:net";
import type { RedisServer } from "../test/servers/redis.ts";

/** What Redis did for each request. */
export interface RedisCost {
  /** Commands by INFO commandstats; those that a script runs are among them. */
  commands: Record<string, number>;
  bytesIn: number;
  bytesOut: number;
}

/** Starts counting. The result gives what each of `requests` requests cost since. */
export async function countRedis(redis: RedisServer): Promise<(requests: number) => Promise<RedisCost>> {
  await redis.cli("config", "resetstat");
  const before = await info(redis);
  return async (requests) => {
    const after = await info(redis);
    const each = (name: string) => ((after.get(name) ?? 0) - (before.get(name) ?? 0)) / requests;
    const commands: Record<string, number> = {};
    for (const [name, value] of after) {
      const command = /^cmdstat_(.*)$/.exec(name)?.[1];
      if (command !== undefined && !OUR_OWN.test(command)) commands[command] = value / requests;
    }
    return {
      commands,
      bytesIn: each("total_net_input_bytes"),
      bytesOut: each("total_net_output_bytes"),
    };
  };
}

const OUR_OWN = /^(info|config|monitor|command|client|ping)/;

async function info(redis: RedisServer): Promise<Map<string, number>> {
  const lines = (await redis.cli("info", "stats", "commandstats")).split("\n");
  return new Map(
    lines.flatMap((line): [string, number][] => {
      const [, name, value] = /^(\w[^:]*):(?:calls=)?([\d.]+)/.exec(line) ?? [];
      return name === undefined ? [] : [[name, Number(value)]];
    }),
  );
}

/**
 * Counts the commands that came over the network while `work` ran. INFO can't tell them from those that a script ran
 * inside Redis, MONITOR can.
 */
export async function countCommands(redis: RedisServer, work: () => Promise<void>): Promise<Map<string, number>> {
  const socket = connect(redis.port, redis.host).setEncoding("utf8");
  let seen = "";
  socket.on("data", (text) => {
    seen += text;
  });
  const mark = async (word: string) => {
    await redis.cli("echo", word);
    while (!seen.includes(word)) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  socket.write("MONITOR\r\n");
  while (!seen.includes("+OK")) await new Promise((resolve) => setTimeout(resolve, 5));
  await mark("begin-of-work");
  await work();
  await mark("end-of-work");
  socket.destroy();

  const trips = new Map<string, number>();
  for (const line of seen.slice(seen.indexOf("begin-of-work"), seen.indexOf("end-of-work")).split("\n")) {
    const [, from, command] = /^\+[\d.]+ \[\d+ ([^\]]+)\] "([^"]+)"/.exec(line) ?? [];
    if (command === undefined || from === "lua" || command.toLowerCase() === "echo") continue;
    const name = command.toLowerCase();
    trips.set(name, (trips.get(name) ?? 0) + 1);
  }
  return trips;
}
