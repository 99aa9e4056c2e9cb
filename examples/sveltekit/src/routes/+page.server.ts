import { fail, redirect } from "@sveltejs/kit";
import { isItem } from "#lib/goods.ts";
import { sessions } from "#lib/server/sessions.ts";
import type { Actions, PageServerLoad } from "./$types";

export const load: PageServerLoad = ({ locals }) => {
  const { user, cart } = locals.session.data;
  return { user, cart };
};

export const actions: Actions = {
  async login({ locals: { session }, request }) {
    const user = String((await request.formData()).get("user") ?? "").trim();
    if (user === "") return fail(422, { error: "Please enter a name." });
    await session.regenerate(); // a new ticket: nobody can have put the old one into this browser
    session.owner = user;
    session.data.user = user;
    redirect(303, "/");
  },

  async add({ locals: { session }, request }) {
    const item = (await request.formData()).get("item");
    if (isItem(item)) session.update("cart", (cart) => ({ ...cart, [item]: (cart?.[item] ?? 0) + 1 }));
    redirect(303, "/");
  },

  async logout({ locals: { session } }) {
    await session.destroy();
    redirect(303, "/");
  },

  async logoutEverywhere({ locals: { session } }) {
    if (session.owner !== undefined) await sessions.revokeAll(session.owner);
    await session.destroy();
    redirect(303, "/");
  },
};
