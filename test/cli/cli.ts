// Runs the command in a process of its own, as a user would.

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { createClient } from "redis";
import { main } from "../../src/cli/main.ts";
import { createSessions, type Session, type SessionStore, type Sessions } from "../../src/index.ts";

export const program = fileURLToPath(new URL("../../src/cli/index.ts", import.meta.url));

export const SECRET = "jV3pQ8wXz0LmR5tYb7nKc2dFg9hJs4aE";

export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs `coatcheck` with these arguments in a folder. */
export function coatcheck(
  args: readonly string[],
  { cwd, env = {} }: { cwd: string; env?: Record<string, string> },
): Promise<Outcome> {
  const { NODE_TEST_CONTEXT: _, SESSION_SECRET: __, ...rest } = process.env;
  const child = spawn(process.execPath, [program, ...args], {
    cwd,
    env: { ...rest, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (data) => (stdout += data));
  child.stderr.on("data", (data) => (stderr += data));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code: code ?? -1, stdout, stderr }));
  });
}

/** Runs it in this process, which is quicker. Paths have to be absolute. */
export async function coatcheckHere(
  args: readonly string[],
  env: Record<string, string | undefined> = {},
): Promise<Outcome> {
  let [stdout, stderr] = ["", ""];
  const before = { ...process.env };
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
  try {
    const code = await main(args, {
      stdout: { write: (text) => (stdout += text) },
      stderr: { write: (text) => (stderr += text) },
    });
    return { code, stdout, stderr };
  } finally {
    for (const name of Object.keys(env)) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
  }
}

/** Begins sessions, each with an owner and a cart. Returns their public ids. */
export async function beginSessions(
  store: SessionStore,
  count: number,
  ownerOf: (i: number) => string | undefined = (i) => `user${i}`,
  secret = SECRET,
): Promise<string[]> {
  const sessions: Sessions<Record<string, unknown>> = createSessions({ store, secret, sweepInterval: false });
  const begin = async (i: number) => {
    const session: Session<Record<string, unknown>> = await sessions.open(null);
    session.set("cart", [`a secret thing ${i}`]);
    session.owner = ownerOf(i);
    await session.commit();
    return session.id;
  };
  return Promise.all(Array.from({ length: count }, (_, i) => begin(i)));
}

/** Sends one command to a Redis server. */
export async function sendCommand(url: string, command: readonly string[]): Promise<unknown> {
  const client = createClient({ url });
  await client.connect();
  try {
    return await client.sendCommand([...command]);
  } finally {
    client.destroy();
  }
}
