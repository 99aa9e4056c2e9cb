import { error, fail, redirect } from "@sveltejs/kit";
import { userOf } from "#lib/server/suite.ts";
import type { Actions, PageServerLoad } from "./$types";

export const load: PageServerLoad = ({ locals }) => ({ n: userOf(locals).data.n, isNew: userOf(locals).isNew });

const count = (locals: App.Locals) => userOf(locals).update("n", (n) => (n ?? 0) + 1);

export const actions: Actions = {
  stay: ({ locals }) => ({ counted: count(locals) }),
  fail({ locals }) {
    count(locals);
    return fail(422, { counted: 0 });
  },
  redirect({ locals }) {
    count(locals);
    redirect(303, "/mind/acts");
  },
  async promote({ locals }) {
    await userOf(locals).regenerate();
    redirect(303, "/mind/acts");
  },
  async destroy({ locals }) {
    await userOf(locals).destroy();
  },
  error({ locals }) {
    count(locals);
    error(500, "on purpose");
  },
  forbidden({ locals }) {
    count(locals);
    error(403, "on purpose");
  },
  throw({ locals }) {
    count(locals);
    throw new Error("on purpose");
  },
  unstorable({ locals }) {
    userOf(locals).set("n", (() => {}) as never);
  },
};
