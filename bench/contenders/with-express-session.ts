import { createRequire } from "node:module";
import type { RequestHandler } from "express";
import { expressApp } from "../apps/express.ts";
import { type Contender, SECRET, type StoreName } from "../contender.ts";
import { withPlainObject } from "./plain-object.ts";

/**
 * express-session, which the makers of its stores want to be handed. Not imported: its types would say that every
 * Express request has its session, and coatcheck's say that it has coatcheck's.
 */
export const expressSession = createRequire(import.meta.url)("express-session") as (options: object) => RequestHandler;

/**
 * A store of express-session. All of them as the READMEs advise, and at their cheapest: a session that is not changed is
 * not saved again, and a cookie without an age is not sent again.
 */
export function withExpressSession(
  names: Contender["names"],
  makeStore: (store: StoreName, address: string) => unknown,
): Contender {
  return {
    framework: "Express",
    names,
    async start(store, address) {
      const cookie = { sameSite: "lax" };
      const options = { secret: SECRET, resave: false, saveUninitialized: false, cookie };
      return expressApp(withPlainObject, [expressSession({ ...options, store: await makeStore(store, address) })]);
    },
  };
}
