// Makes a contender of express-session and one of its stores.
import { createRequire } from "node:module";
import type { RequestHandler } from "express";
import { expressApp } from "../apps/express.ts";
import { type Contender, SECRET, type StoreName } from "../contender.ts";
import { withPlainObject } from "./plain-object.ts";

/**
 * The factories of its stores take express-session as an argument. Not imported: its types for an Express request's
 * session conflict with coatcheck's.
 */
export const expressSession = createRequire(import.meta.url)("express-session") as (options: object) => RequestHandler;

/**
 * All stores are set up as their READMEs advise, in the cheapest configuration: an unchanged session is not saved, and a
 * cookie without an age is not sent again.
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
