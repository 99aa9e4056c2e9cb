// The contender: koa-session.
import { createRequire } from "node:module";
import type Koa from "koa";
import { koaApp } from "../apps/koa.ts";
import { type Contender, IDLE_SECONDS, SECRET } from "../contender.ts";
import { withPlainObject } from "./plain-object.ts";

// Not imported: its types for a Koa context's session conflict with coatcheck's.
const { default: session } = createRequire(import.meta.url)("koa-session") as {
  default: (options: object, app: Koa) => Koa.Middleware;
};

/** Has no store of its own but the cookie, which it does not seal: a Map keeps what it is given. */
export default {
  framework: "Koa",
  names: { memory: "koa-session, memory" },
  start() {
    const kept = new Map<string, object>();
    const store = {
      get: async (key: string) => kept.get(key),
      set: async (key: string, value: object) => void kept.set(key, value),
      destroy: async (key: string) => void kept.delete(key),
    };
    return koaApp(withPlainObject, (app) => {
      app.keys = [SECRET];
      app.use(session({ store, maxAge: IDLE_SECONDS * 1000, sameSite: "lax", secure: false }, app));
    });
  },
} satisfies Contender;
