"use server";

import type { Session } from "coatcheck";
import { refresh } from "next/cache";
import { cookies } from "next/headers";
import { forbidden, notFound, redirect, unauthorized } from "next/navigation";
import { admins, users } from "../../../lib/suite";
import type { Data } from "../../../lib/suite-app";

const count = users.action(async (session) => {
  session.update("n", (n) => (n ?? 0) + 1);
});

const ways: Record<string, (session: Session<Data>) => unknown> = {
  stay: () => refresh(),
  "stay-unmarked"() {},
  async promote(session) {
    session.owner = "ann";
    await session.regenerate();
  },
  destroy: (session) => session.destroy(),
  async redirect(session) {
    await session.regenerate();
    redirect("/mind/acts");
  },
  async "destroy-redirect"(session) {
    await session.destroy();
    redirect("/mind/acts");
  },
  "not-found": () => notFound(),
  forbidden: () => forbidden(),
  unauthorized: () => unauthorized(),
  cookie: async () => (await cookies()).set("theme", "dark"),
  async sees(session) {
    session.data.n = (await users.session()).data.n * 10;
    refresh();
  },
  async unstorable(session) {
    await session.regenerate();
    session.set("n", (() => {}) as never);
  },
  async "promote-and-throw"(session) {
    await session.regenerate();
    throw new Error("the action fails on purpose");
  },
  throw() {
    throw new Error("the action fails on purpose");
  },
};

export const act = users.action(
  async (session, by: string, _form?: FormData): Promise<void> => {
    await count(); // an action in an action has the same session
    await ways[by]!(session);
  },
  { mode: (headers) => (headers.get("x-exclusive") ? "exclusive" : undefined) },
);

export const actBoth = users.action((user) =>
  admins.action((admin) => {
    user.data.user = "ann";
    admin.data.admin = "root";
    redirect("/mind/acts");
  })(),
);

export const actNever = users.action((session) => session.clear(), { mode: "readonly" });

export const actNone = users.action((session) => redirect(`/mind/acts?session=${typeof session}`), { mode: "none" });
