// The contender: @hono/session.
import { randomBytes } from "node:crypto";
import { type SessionEnv, useSession as session, useSessionStorage as sessionStorage } from "@hono/session";
import type { Context } from "hono";
import { honoApp } from "../apps/hono.ts";
import type { AsyncActions, Contender } from "../contender.ts";
import { type Fields, tenKeys } from "../session-data.ts";

type Request = Context<SessionEnv<Fields>>;

const withGetAndUpdate: AsyncActions<Request> = {
  read: async (c) => (await c.var.session.get())!.user,
  async change(c) {
    const data = await c.var.session.get();
    const views = (data?.views ?? 0) + 1;
    await c.var.session.update({ ...data, views } as Fields);
    return views;
  },
  fill: (c) => c.var.session.update(tenKeys()),
  set: async (c, slot) => c.var.session.update({ ...(await c.var.session.get()), [slot]: 1 } as Fields),
  all: async (c) => ({ ...(await c.var.session.get()) }),
};

/** The cookie is a JSON Web Encryption, with the session in it or with its id. */
export default {
  framework: "Hono",
  names: { memory: "@hono/session, memory", cookie: "@hono/session, sealed cookie" },
  start: (store) =>
    honoApp(withGetAndUpdate, (app) => {
      const kept = new Map<string, Fields>();
      const storage = {
        get: (id: string) => kept.get(id) ?? null,
        set: (id: string, value: unknown) => void kept.set(id, value as Fields),
        delete: (id: string) => void kept.delete(id),
      };
      if (store === "memory") app.use(sessionStorage(storage as never));
      app.use(session({ secret: randomBytes(32).toString("hex") }) as never);
    }),
} satisfies Contender;
