// The contender: hono-sessions.
import type { Context } from "hono";
import { CookieStore, MemoryStore, type Session, sessionMiddleware } from "hono-sessions";
import { honoApp } from "../apps/hono.ts";
import { type AsyncActions, type Contender, IDLE_SECONDS, SECRET } from "../contender.ts";
import { type Fields, tenKeys } from "../session-data.ts";

const sessionOf = (c: Context) => c.get("session") as unknown as Session<Fields>;

const withGetAndSet: AsyncActions<Context> = {
  read: (c) => sessionOf(c).get("user")!,
  change(c) {
    const views = (sessionOf(c).get("views") ?? 0) + 1;
    sessionOf(c).set("views", views);
    return views;
  },
  fill(c) {
    for (const [key, value] of Object.entries(tenKeys())) sessionOf(c).set(key as keyof Fields, value as never);
  },
  set: (c, slot) => sessionOf(c).set(slot, 1 as never),
  all: (c) => Object.fromEntries(ALL.map((key) => [key, sessionOf(c).get(key as keyof Fields)])),
};

/** It gives no list of its keys. */
const ALL = [...Object.keys(tenKeys()), ...Array.from({ length: 50 }, (_, i) => `slot${i}`)];

export default {
  framework: "Hono",
  names: { memory: "hono-sessions, memory", cookie: "hono-sessions, sealed cookie" },
  start: (store) =>
    honoApp(withGetAndSet, (app) => {
      const options = { expireAfterSeconds: IDLE_SECONDS, cookieOptions: { sameSite: "Lax", path: "/" } } as const;
      app.use(
        store === "memory"
          ? sessionMiddleware({ ...options, store: new MemoryStore() })
          : sessionMiddleware({ ...options, store: new CookieStore(), encryptionKey: SECRET }),
      );
    }),
} satisfies Contender;
