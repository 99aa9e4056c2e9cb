import { serve } from "@hono/node-server";
import { serveStatic } from "@hono/node-server/serve-static";
import { session } from "coatcheck/hono";
import { type Context, Hono } from "hono";
import { isItem, sessionsPage, shopPage, withItem } from "./pages.ts";
import { sessions } from "./sessions.ts";

const app = new Hono();

app.use("/style.css", serveStatic({ root: "public" })); // before the sessions: files need none

// It stands before the sessions of the other routes: a page that polls does not keep its user signed in.
app.get("/poll", session(sessions, { mode: "readonly", extend: false }), (c) => {
  const { cart } = c.var.session.data;
  return c.json({ items: Object.values(cart).reduce((sum, count) => sum + count, 0) });
});

app.use(session(sessions));

app.get("/", (c) => {
  const { user, cart } = c.var.session.data;
  return c.html(shopPage({ user, cart }));
});

app.post("/login", async (c) => {
  const { session } = c.var;
  const user = (await field(c, "user")).trim();
  if (user === "") return c.html(shopPage({ cart: session.data.cart, error: "Please enter a name." }), 422);
  await session.regenerate(); // a new ticket: nobody can have put the old one into this browser
  session.owner = user;
  session.data.user = user;
  return c.redirect("/", 303);
});

app.post("/cart", async (c) => {
  const item = await field(c, "item");
  if (!isItem(item)) return c.notFound();
  c.var.session.update("cart", (cart) => withItem(cart, item));
  return c.redirect("/", 303);
});

app.post("/logout", async (c) => {
  await c.var.session.destroy();
  return c.redirect("/", 303);
});

app.post("/logout-everywhere", async (c) => {
  const { owner } = c.var.session;
  if (owner !== undefined) await sessions.revokeAll(owner);
  await c.var.session.destroy();
  return c.redirect("/", 303);
});

app.get("/sessions", async (c) => {
  const { id, owner } = c.var.session;
  if (owner === undefined) return c.redirect("/", 303);
  return c.html(sessionsPage(await Array.fromAsync(sessions.list({ owner })), id));
});

app.post("/sessions/end", async (c) => {
  const id = await field(c, "id");
  const { owner } = c.var.session;
  const found = await sessions.find(id);
  if (owner !== undefined && found?.owner === owner) await sessions.revoke(id);
  return c.redirect("/sessions", 303);
});

/** What a form's field has. */
async function field(c: Context, name: string): Promise<string> {
  return String((await c.req.parseBody())[name] ?? "");
}

serve({
  fetch: app.fetch,
  port: Number(process.env.PORT ?? 3000),
  hostname: process.env.HOST ?? "localhost",
});
