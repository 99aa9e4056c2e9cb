// What the pages ask the server for, and what their forms send to it. The forms work without JavaScript, too.

import { redirect } from "@tanstack/react-router";
import { createServerFn } from "@tanstack/react-start";
import { isItem } from "./goods";
import { sessions } from "./sessions";

export const getShop = createServerFn().handler(({ context: { session } }) => {
  const { user, cart } = session.data;
  return { user, cart };
});

export const getOwnSessions = createServerFn().handler(async ({ context: { session } }) => {
  const { owner, id } = session;
  if (owner === undefined) throw redirect({ to: "/" });
  const own = await Array.fromAsync(sessions.list({ owner }));
  return own.map(({ id: one, createdAt = 0 }) => ({ id: one, createdAt, isCurrent: one === id }));
});

export const login = createServerFn({ method: "POST" })
  .validator(formData)
  .handler(async ({ data, context: { session } }) => {
    const user = String(data.get("user") ?? "").trim();
    if (user === "") throw redirect({ to: "/", search: { error: "name" }, statusCode: 303 });
    await session.regenerate(); // a new ticket: nobody can have put the old one into this browser
    session.owner = user;
    session.data.user = user;
    throw redirect({ to: "/", statusCode: 303 });
  });

export const add = createServerFn({ method: "POST" })
  .validator(formData)
  .handler(({ data, context: { session } }) => {
    const item = data.get("item");
    if (isItem(item)) session.update("cart", (cart) => ({ ...cart, [item]: (cart?.[item] ?? 0) + 1 }));
    throw redirect({ to: "/", statusCode: 303 });
  });

export const logout = createServerFn({ method: "POST" })
  .validator(formData)
  .handler(async ({ context: { session } }) => {
    await session.destroy();
    throw redirect({ to: "/", statusCode: 303 });
  });

export const logoutEverywhere = createServerFn({ method: "POST" })
  .validator(formData)
  .handler(async ({ context: { session } }) => {
    if (session.owner !== undefined) await sessions.revokeAll(session.owner);
    await session.destroy();
    throw redirect({ to: "/", statusCode: 303 });
  });

export const endSession = createServerFn({ method: "POST" })
  .validator(formData)
  .handler(async ({ data, context: { session } }) => {
    const id = String(data.get("id"));
    const found = await sessions.find(id);
    if (found?.owner !== undefined && found.owner === session.owner) await sessions.revoke(id);
    throw redirect({ to: "/sessions", statusCode: 303 });
  });

function formData(data: unknown): FormData {
  if (data instanceof FormData) return data;
  throw new Error("This function takes a form.");
}
