// The session data of the chaos test, and what requests do with it.
import { setTimeout as sleep } from "node:timers/promises";
import type { SessionRequest } from "../../src/adapters/node.ts";
import type { Session, Sessions, SessionsOptions } from "../../src/index.ts";
import { type Answer, type Command, now, REGISTERS, type Seen, type Turn } from "./history.ts";

export interface ChaosData {
  root?: string;
  a?: string;
  b?: string;
  c?: string;
  n?: number;
  hits: number;
  log: string[];
  tags: string[];
  turn?: Turn;
  left?: string;
  right?: string;
}

/** The secrets of the farm: the first one, and the one that takes its place in a rotation. */
export const SECRETS = [
  "the secret of a farm in which faults are injected",
  "the next secret of a farm in which faults are injected",
] as const;

const LEASE_MS = 1_000;

/** What differs between campaigns, and between servers. */
export interface ServerOptions {
  /** Default: the first of `SECRETS`. */
  secret?: readonly string[];
  /** Milliseconds. Default: longer than a run, and shorter than a server's clock may be wrong. */
  idleTimeout?: number;
  /** Milliseconds. Default: longer than a run. */
  absoluteTimeout?: number;
}

export function sessionsOptions(options: ServerOptions): SessionsOptions<ChaosData> {
  const { secret = [SECRETS[0]], idleTimeout = "20m", absoluteTimeout = "30d" } = options;
  return {
    secret,
    idleTimeout,
    absoluteTimeout,
    cookie: { secure: false },
    initial: { hits: 0, log: [], tags: [] },
    merge: { hits: "counter", log: "append", tags: "union" },
    storeTimeout: "2s",
    exclusive: { lease: LEASE_MS, maxWait: "5s" },
    // Often, so that a server whose clock is wrong has every chance to remove sessions.
    sweepInterval: "500ms",
  };
}

/** Executes a command, and resolves with what it saw. */
export async function serve(
  sessions: Sessions<ChaosData>,
  command: Command,
  request: SessionRequest<ChaosData>,
): Promise<Answer> {
  if (command.kind === "revoke") {
    await sessions.revokeAll(command.owner!);
    return { seen: {} };
  }
  if (command.kind === "census") return { seen: {}, census: await census(sessions) };
  const { session } = request;
  const found = session.isNew ? {} : { id: session.id };
  const enter = now();
  const seen = observe(session, command);
  if (command.think > 0) await sleep(command.think);
  if (command.kind === "read") return { ...found, seen };
  if (command.kind === "logout") {
    await session.destroy();
    return { ...found, seen };
  }
  if (!session.has("root")) session.data.root = command.name;
  await change(session, command, seen);
  const savedFrom = now();
  const done = command.kind === "login" ? await session.regenerate() : !command.save || (await session.save());
  // If the store's answer takes longer than a lease, another server may rightly take over.
  const leave = now() - savedFrom > LEASE_MS ? savedFrom : now();
  return { ...found, seen, done, ...(command.kind === "serial" && { hold: [enter, leave] }) };
}

/** Readers read every key. Writers read only the keys that they write, so that the others stay unread in their requests. */
function observe(session: Session<ChaosData>, { kind, key }: Command): Seen {
  const { data } = session;
  const all = kind === "read" || kind === "serial";
  const registers = REGISTERS.filter((name) => all || name === key);
  return {
    root: data.root ?? null,
    ...(registers.length > 0 && { registers: Object.fromEntries(registers.map((name) => [name, data[name] ?? null])) }),
    ...((all || kind === "increment") && { n: data.n ?? 0 }),
    ...((all || kind === "count") && { hits: data.hits }),
    ...((all || kind === "append") && { log: [...data.log] }),
    ...((all || kind === "tag" || kind === "untag") && { tags: [...data.tags] }),
    ...(all && { turn: data.turn ?? null, left: data.left ?? null, right: data.right ?? null }),
  };
}

async function change(session: Session<ChaosData>, command: Command, seen: Seen): Promise<void> {
  const { data } = session;
  switch (command.kind) {
    case "set":
      session.set(command.key as "a", command.name);
      break;
    case "delete":
      session.delete(command.key as "a");
      break;
    case "increment":
      session.update("n", (n) => (n ?? 0) + 1);
      break;
    case "count":
      data.hits++;
      break;
    case "append":
      data.log.push(command.name);
      break;
    case "tag":
      data.tags.push(command.item!);
      break;
    case "untag":
      data.tags = data.tags.filter((tag) => tag !== command.item);
      break;
    case "login":
      session.owner = command.owner;
      break;
    case "serial":
      data.left = command.name;
      await sleep(command.think);
      data.turn = { n: (seen.turn?.n ?? 0) + 1, last: command.name };
      data.right = command.name;
      break;
  }
}

async function census(sessions: Sessions<ChaosData>): Promise<string[]> {
  const ids: string[] = [];
  for await (const { id } of sessions.list()) ids.push(id);
  return ids;
}
