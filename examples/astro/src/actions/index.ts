import { ActionError, defineAction } from "astro:actions";
import { z } from "astro/zod";
import { items } from "../lib/goods";
import { sessions } from "../lib/sessions";

export const server = {
  login: defineAction({
    accept: "form",
    input: z.object({ user: z.string({ error: "Please enter a name." }).trim().min(1, "Please enter a name.") }),
    async handler({ user }, { locals: { session } }) {
      await session.regenerate(); // a new ticket: nobody can have put the old one into this browser
      session.owner = user;
      session.data.user = user;
    },
  }),

  add: defineAction({
    accept: "form",
    input: z.object({ item: z.enum(items) }),
    handler({ item }, { locals: { session } }) {
      session.update("cart", (cart) => ({ ...cart, [item]: (cart?.[item] ?? 0) + 1 }));
    },
  }),

  logout: defineAction({
    accept: "form",
    async handler(_form, { locals: { session } }) {
      await session.destroy();
    },
  }),

  logoutEverywhere: defineAction({
    accept: "form",
    async handler(_form, { locals: { session } }) {
      if (session.owner !== undefined) await sessions.revokeAll(session.owner);
      await session.destroy();
    },
  }),

  endSession: defineAction({
    accept: "form",
    input: z.object({ id: z.string() }),
    async handler({ id }, { locals: { session } }) {
      const found = await sessions.find(id);
      if (found?.owner === undefined || found.owner !== session.owner) throw new ActionError({ code: "NOT_FOUND" });
      await sessions.revoke(id);
    },
  }),
};
