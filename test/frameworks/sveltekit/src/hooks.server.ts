import { redirect } from "@sveltejs/kit";
import { type Handle, sequence } from "@sveltejs/kit/hooks";
import { session } from "coatcheck/sveltekit";
import { sessions } from "#lib/server/sessions.ts";
import { kit, userOf } from "#lib/server/suite.ts";
import { suiteOptions } from "#lib/server/suite-app.ts";

const shop = session(sessions, {
  mode: ({ route }) => (route.id === "/poll" ? "readonly" : undefined),
  extend: ({ route }) => route.id !== "/poll",
});

/** Sends every request away, after it has written. */
const guard: Handle = async ({ event, resolve }) => {
  if (!event.url.pathname.endsWith("/guarded")) return resolve(event);
  userOf(event.locals).data.user = "guarded";
  await userOf(event.locals).regenerate();
  if (event.url.searchParams.get("by") === "throw") throw new Error("the guard fails on purpose");
  redirect(303, "/suite/whoami");
};

const suite = sequence(
  session(kit.admins, { property: "admin" }),
  session(kit.users, {
    mode: ({ url }) => suiteOptions.mode(url.pathname),
    extend: ({ url }) => suiteOptions.extend(url.pathname),
  }),
  guard,
);

export const handle: Handle = (input) =>
  /^\/(suite|mind|_app\/remote)/.test(input.event.url.pathname) ? suite(input) : shop(input);
