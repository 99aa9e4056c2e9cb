import { node } from "@elysiajs/node";
import { session } from "coatcheck/elysia";
import { Elysia, file, t } from "elysia";
import { isItem, sessionsPage, shopPage, withItem } from "./pages.ts";
import { sessions } from "./sessions.ts";

// An instance of its own has the session in its own way: a page that polls does not keep its user signed in.
const poll = new Elysia()
  .use(session(sessions, { mode: "readonly", extend: false }))
  .get("/poll", ({ session }) => ({ items: Object.values(session.data.cart).reduce((a, b) => a + b, 0) }));

const shop = new Elysia()
  .use(session(sessions))

  .get("/", ({ session }) => {
    const { user, cart } = session.data;
    return html(shopPage({ user, cart }));
  })

  .post(
    "/login",
    async ({ session, body }) => {
      const user = body.user.trim();
      if (user === "") return html(shopPage({ cart: session.data.cart, error: "Please enter a name." }), 422);
      await session.regenerate(); // a new ticket: nobody can have put the old one into this browser
      session.owner = user;
      session.data.user = user;
      return seeOther("/");
    },
    { body: t.Object({ user: t.String() }) },
  )

  .post(
    "/cart",
    ({ session, body: { item }, status }) => {
      if (!isItem(item)) return status(404);
      session.update("cart", (cart) => withItem(cart, item));
      return seeOther("/");
    },
    { body: t.Object({ item: t.String() }) },
  )

  .post("/logout", async ({ session }) => {
    await session.destroy();
    return seeOther("/");
  })

  .post("/logout-everywhere", async ({ session }) => {
    if (session.owner !== undefined) await sessions.revokeAll(session.owner);
    await session.destroy();
    return seeOther("/");
  })

  .get("/sessions", async ({ session: { id, owner } }) => {
    if (owner === undefined) return seeOther("/");
    return html(sessionsPage(await Array.fromAsync(sessions.list({ owner })), id));
  })

  .post(
    "/sessions/end",
    async ({ session: { owner }, body: { id } }) => {
      const found = await sessions.find(id);
      if (owner !== undefined && found?.owner === owner) await sessions.revoke(id);
      return seeOther("/sessions");
    },
    { body: t.Object({ id: t.String() }) },
  );

function html(page: string, status = 200): Response {
  return new Response(page, { status, headers: { "Content-Type": "text/html; charset=utf-8" } });
}

function seeOther(path: string): Response {
  return new Response(null, { status: 303, headers: { Location: path } });
}

new Elysia({ adapter: node() })
  .get("/style.css", file("public/style.css"))
  .use(poll)
  .use(shop)
  .listen({ port: Number(process.env.PORT ?? 3000), hostname: process.env.HOST ?? "localhost" });
