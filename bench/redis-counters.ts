// Counts what Redis does for requests.
import { connect } from "node:net";
import type { RedisServer } from "../test/servers/redis.ts";

/** Redis's work for each request. */
export interface RedisCost {
  /** Commands by INFO commandstats, including those that scripts run. */
  commands: Record<string, number>;
  bytesIn: number;
  bytesOut: number;
}

/** Starts counting. Calling the result gives the cost of each of `requests` requests since then. */
export async function countRedis(redis: RedisServer): Promise<(requests: number) => Promise<RedisCost>> {
  await redis.cli("config", "resetstat");
  const before = await info(redis);
  return async (requests) => {
    const after = await info(redis);
    const each = (name: string) => ((after.get(name) ?? 0) - (before.get(name) ?? 0)) / requests;
    const commands: Record<string, number> = {};
    for (const [name, value] of after) {
      const command = /^cmdstat_(.*)$/.exec(name)?.[1];
      if (command !== undefined && !OWN_COMMANDS.test(command)) commands[command] = value / requests;
    }
    return {
      commands,
      bytesIn: each("total_net_input_bytes"),
      bytesOut: each("total_net_output_bytes"),
    };
  };
}

/** Commands of the measurement itself. */
const OWN_COMMANDS = /^(info|config|monitor|command|client|ping)/;

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
 * Counts the commands that come over the network while `work` runs. MONITOR tells them from the commands that a script
 * runs inside Redis; INFO does not.
 */
export async function countCommands(redis: RedisServer, work: () => Promise<void>): Promise<Map<string, number>> {
  const socket = connect(redis.port, redis.host).setEncoding("utf8");
  let seen = "";
  socket.on("data", (text) => {
    seen += text;
  });
  const waitForEcho = async (word: string) => {
    await redis.cli("echo", word);
    while (!seen.includes(word)) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  socket.write("MONITOR\r\n");
  while (!seen.includes("+OK")) await new Promise((resolve) => setTimeout(resolve, 5));
  await waitForEcho("begin-of-work");
  await work();
  await waitForEcho("end-of-work");
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
