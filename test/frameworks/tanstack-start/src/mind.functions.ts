// Server functions that write, and end in every way.

import { notFound, redirect } from "@tanstack/react-router";
import { createMiddleware, createServerFn } from "@tanstack/react-start";
import { setCookie, setResponseStatus } from "@tanstack/react-start/server";
import { getSession, session } from "coatcheck/tanstack-start";
import { kit } from "./suite";

export const read = createServerFn().handler(({ context: { users } }) => ({
  n: users.data.n,
  same: getSession(kit.users) === users,
  id: users.id,
  calls: kit.calls(),
}));

/** A loader of server-side rendering may write, too: the commit comes before the first byte. */
export const count = createServerFn().handler(({ context: { users } }) => {
  users.update("n", (n) => (n ?? 0) + 1);
});

export const act = createServerFn({ method: "POST" })
  .validator((data: unknown) => (data instanceof FormData ? String(data.get("by")) : String(data)))
  .handler(async ({ data: by, context: { users } }) => {
    users.update("n", (n) => (n ?? 0) + 1);
    switch (by) {
      case "redirect":
        await users.regenerate();
        throw redirect({ to: "/mind/page", search: { to: "a;b" }, statusCode: 303 });
      case "response":
        throw new Response("thrown", { status: 409 });
      case "not-found":
        throw notFound();
      case "cookie":
        setCookie("theme", "dark");
        return { n: users.data.n };
      case "status":
        setResponseStatus(503);
        return { n: users.data.n };
      case "throw":
        throw new Error("the function fails on purpose");
      case "unstorable":
        await users.regenerate();
        users.set("n", (() => {}) as never);
        return {};
      default:
        return { n: users.data.n };
    }
  });

const exclusive = createMiddleware().server(session(kit.users, { property: "users", mode: "exclusive" }));

export const addAlone = createServerFn({ method: "POST" })
  .middleware([exclusive])
  .handler(async ({ context: { users } }) => {
    const n = users.data.n ?? 0;
    await new Promise((resolve) => setTimeout(resolve, 5));
    users.data.n = n + 1;
    return {};
  });
