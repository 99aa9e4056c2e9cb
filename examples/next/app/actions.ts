"use server";

import { redirect } from "next/navigation";
import { isItem } from "../lib/goods";
import { action, sessions } from "../lib/sessions";

export const login = action(async (session, form: FormData) => {
  const user = String(form.get("user") ?? "").trim();
  if (user === "") redirect("/?error=name");
  await session.regenerate(); // a new ticket: nobody can have put the old one into this browser
  session.owner = user;
  session.data.user = user;
  redirect("/");
});

export const add = action(async (session, form: FormData) => {
  const item = form.get("item");
  if (isItem(item)) session.update("cart", (cart) => ({ ...cart, [item]: (cart?.[item] ?? 0) + 1 }));
  redirect("/");
});

export const logout = action(async (session) => {
  await session.destroy();
  redirect("/");
});

export const logoutEverywhere = action(async (session) => {
  if (session.owner !== undefined) await sessions.revokeAll(session.owner);
  await session.destroy();
  redirect("/");
});

export const endSession = action(async (session, form: FormData) => {
  const id = String(form.get("id"));
  const found = await sessions.find(id);
  if (found?.owner !== undefined && found.owner === session.owner) await sessions.revoke(id);
  redirect("/sessions");
});
