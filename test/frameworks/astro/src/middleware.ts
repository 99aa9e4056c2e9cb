import { sequence } from "astro:middleware";
import type { MiddlewareHandler } from "astro";
import { session } from "coatcheck/astro";
import { sessions } from "./lib/sessions";
import { count, kit, userOf } from "./lib/suite";
import { suiteOptions } from "./lib/suite-app";

const shop = session(sessions, {
  mode: ({ routePattern }) => (routePattern === "/poll" ? "readonly" : undefined),
  extend: ({ routePattern }) => routePattern !== "/poll",
});

/** Answers in the place of some pages, after it has written. */
const guard: MiddlewareHandler = async (context, next) => {
  switch (context.url.searchParams.get("guard")) {
    case "redirect":
      count(context.locals);
      await userOf(context.locals).regenerate();
      return context.redirect("/suite/n", 303);
    case "throw":
      count(context.locals);
      throw new Error("the guard fails on purpose");
    case "rewrite":
      count(context.locals);
      return next("/mind/rewritten");
    default:
      return next();
  }
};

const suite = sequence(
  session(kit.admins, { property: "admin" }),
  session(kit.users, {
    mode: ({ url }) => suiteOptions.mode(url.pathname),
    extend: ({ url }) => suiteOptions.extend(url.pathname),
  }),
  guard,
);

export const onRequest: MiddlewareHandler = (context, next) =>
  /^\/(suite|mind|_server-islands|_actions\/mind)/.test(context.url.pathname)
    ? suite(context, next)
    : shop(context, next);
