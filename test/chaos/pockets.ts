import { setTimeout as sleep } from "node:timers/promises";
import type { SessionRequest } from "../../src/adapters/node.ts";
import type { Session, Sessions, SessionsOptions } from "../../src/index.ts";
import { type Answer, type Ask, now, REGISTERS, type Seen, type Turn } from "./history.ts";

/** What the sessions of the test hold. */
export interface Pockets {
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

export const SECRET = "the secret of a farm that has bad luck all the time";

const LEASE = 1_000;

export const OPTIONS: SessionsOptions<Pockets> = {
  secret: SECRET,
  cookie: { secure: false },
  initial: { hits: 0, log: [], tags: [] },
  merge: { hits: "counter", log: "append", tags: "union" },
  storeTimeout: "2s",
  exclusive: { lease: LEASE, maxWait: "5s" },
};

/** Does what a request asks for, and tells what it saw. */
export async function serve(sessions: Sessions<Pockets>, ask: Ask, request: SessionRequest<Pockets>): Promise<Answer> {
  if (ask.kind === "revoke") {
    await sessions.revokeAll(ask.owner!);
    return { seen: {} };
  }
  if (ask.kind === "census") return { seen: {}, census: await census(sessions) };
  const { session } = request;
  const found = session.isNew ? {} : { id: session.id };
  const enter = now();
  const seen = look(session, ask);
  if (ask.think > 0) await sleep(ask.think);
  if (ask.kind === "read") return { ...found, seen };
  if (ask.kind === "logout") {
    await session.destroy();
    return { ...found, seen };
  }
  if (!session.has("root")) session.data.root = ask.name;
  await change(session, ask, seen);
  const saves = now();
  const done = ask.kind === "login" ? await session.regenerate() : !ask.save || (await session.save());
  // Others take over rightly where the server hears more than a lease later that the store has saved.
  const leave = now() - saves > LEASE ? saves : now();
  return { ...found, seen, done, ...(ask.kind === "serial" && { hold: [enter, leave] }) };
}

/** Readers look at everything. Writers leave alone what they don't write: it must come through untouched. */
function look(session: Session<Pockets>, { kind, key }: Ask): Seen {
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

async function change(session: Session<Pockets>, ask: Ask, seen: Seen): Promise<void> {
  const { data } = session;
  switch (ask.kind) {
    case "set":
      session.set(ask.key as "a", ask.name);
      break;
    case "delete":
      session.delete(ask.key as "a");
      break;
    case "increment":
      session.update("n", (n) => (n ?? 0) + 1);
      break;
    case "count":
      data.hits++;
      break;
    case "append":
      data.log.push(ask.name);
      break;
    case "tag":
      data.tags.push(ask.item!);
      break;
    case "untag":
      data.tags = data.tags.filter((tag) => tag !== ask.item);
      break;
    case "login":
      session.owner = ask.owner;
      break;
    case "serial":
      data.left = ask.name;
      await sleep(ask.think);
      data.turn = { n: (seen.turn?.n ?? 0) + 1, last: ask.name };
      data.right = ask.name;
      break;
  }
}

async function census(sessions: Sessions<Pockets>): Promise<string[]> {
  const ids: string[] = [];
  for await (const { id } of sessions.list()) ids.push(id);
  return ids;
}
