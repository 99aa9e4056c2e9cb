import { error, redirect } from "@sveltejs/kit";
import { userOf } from "#lib/server/suite.ts";
import { command, form, getRequestEvent, query } from "$app/server";

const session = () => userOf(getRequestEvent().locals);
const count = () => session().update("n", (n) => (n ?? 0) + 1);

export const current = query(() => session().data.n ?? 0);

export const addByForm = form(() => {
  count();
  redirect(303, "/mind/remote");
});

export const add = command(() => count());

export const fail = command(() => {
  count();
  throw new Error("on purpose");
});

export const refuse = command(() => {
  count();
  error(403, "on purpose");
});
