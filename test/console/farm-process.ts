// A server of a farm with a console: does what the test tells it, and counts the calls of its store by itself.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { environments } from "../../demo/stores.ts";
import { cached } from "../../src/compose/cached/index.ts";
import { console as webConsole } from "../../src/console/index.ts";
import { createSessions, type Mode, type Session, type SessionStore } from "../../src/index.ts";

export interface FarmSettings {
  /** A name in `environments`. */
  store: string;
  address: string;
  name: string;
  secret: string | string[];
  application?: string;
  /** A cache in each server. Default: none. */
  cached?: boolean;
  idleTimeout?: string;
}

/** What the test tells the server. */
export interface Order {
  id: number;
  action: keyof typeof ACTIONS;
  cookie?: string;
  mode?: Mode;
  argument?: string;
}

export interface Reply {
  id: number;
  /** `Set-Cookie` values. */
  cookies?: string[];
  result?: unknown;
  error?: string;
}

const settings = JSON.parse(process.argv[2]!) as FarmSettings;
/** Calls of the store that have ended. */
let calls = 0;
/** Reads of each session that have ended. */
const reads = new Map<string, number>();
const counted = counting(environments[settings.store]!.open(settings.address).store!);
const sessions = createSessions<Record<string, unknown>>({
  store: settings.cached ? cached(counted, { maxAge: "1h" }) : counted,
  secret: settings.secret,
  sweepInterval: false,
  storeTimeout: "30s",
  idleTimeout: (settings.idleTimeout ?? "1h") as "1h",
  cookie: { secure: "auto" },
  exclusive: { lease: "2s", maxWait: "60s" },
  ...(settings.application !== undefined && { application: settings.application }),
});
const web = webConsole(sessions, { authorize: () => true, name: settings.name });
const server = createServer((req, res) => void web.node(req, res)).listen(0, "127.0.0.1");
server.once("listening", () => process.send!((server.address() as AddressInfo).port));

/** Requests that go on when the test says so, by their name. */
const held = new Map<string, () => void>();

const ACTIONS = {
  write: (session: Session<Record<string, unknown>>) => session.update("n", (n) => ((n as number) ?? 0) + 1),
  read: (session: Session<Record<string, unknown>>) => session.get("n"),
  login(session: Session<Record<string, unknown>>) {
    session.owner = "ann";
    return session.regenerate();
  },
  logout: (session: Session<Record<string, unknown>>) => session.destroy(),
  /** Reads its session, and writes when it is let go. */
  async hold(session: Session<Record<string, unknown>>, name: string) {
    session.get("n");
    process.send!({ id: -1, result: name } satisfies Reply);
    await new Promise<void>((resolve) => held.set(name, resolve));
    session.update("n", (n) => ((n as number) ?? 0) + 1);
  },
  go: (_: unknown, name: string) => held.get(name)!(),
  revoke: (_: unknown, id: string) => sessions.revoke(id),
  reads: (_: unknown, id: string) => reads.get(id) ?? 0,
  /** The number of calls at the end of the console. */
  async close() {
    await web.close();
    return calls;
  },
} as const;
const OF_REQUESTS = new Set(["write", "read", "login", "logout", "hold"]);

process.on("message", async ({ id, action, cookie, mode, argument = "" }: Order) => {
  const run = ACTIONS[action] as (session: unknown, argument: string) => unknown;
  try {
    if (!OF_REQUESTS.has(action)) {
      process.send!({ id, result: await run(undefined, argument) } satisfies Reply);
      return;
    }
    const session = await sessions.open(cookie, mode === undefined ? {} : { mode });
    await run(session, argument);
    process.send!({ id, cookies: await session.commit(), result: session.id } satisfies Reply);
  } catch (error) {
    process.send!({ id, error: String(error) } satisfies Reply);
  }
});
process.on("disconnect", () => process.exit());

/** Counts each answer of the store, and each step of a list. */
function counting(store: SessionStore): SessionStore {
  const counted = { ...store } as Record<string, unknown>;
  for (const name of ["read", "refresh", "create", "update", "delete", "touch", "claimExpired", "time", "watch"]) {
    const method = counted[name] as ((...call: unknown[]) => Promise<unknown>) | undefined;
    if (method === undefined) continue;
    counted[name] = (...call: unknown[]) =>
      method.apply(store, call).finally(() => {
        calls++;
        const [key] = call as [string];
        if (name === "read" || name === "refresh") reads.set(key, (reads.get(key) ?? 0) + 1);
      });
  }
  if (store.list !== undefined) {
    counted.list = (query: { owner?: string }) => {
      const entries = store.list!(query)[Symbol.asyncIterator]();
      const next = () => entries.next().finally(() => calls++);
      return { [Symbol.asyncIterator]: () => ({ next, return: () => entries.return!() }) };
    };
  }
  return counted as unknown as SessionStore;
}
