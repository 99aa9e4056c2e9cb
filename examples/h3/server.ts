import { readFile } from "node:fs/promises";
import { session } from "coatcheck/h3";
import { H3, type H3Event, HTTPError, html, raw, redirect, serve } from "h3";
import { isItem, sessionsPage, shopPage, withItem } from "./pages.ts";
import { sessions } from "./sessions.ts";

const app = new H3();

// Files need no session, and a page that polls does not keep its user signed in.
app.use(
  session(sessions, {
    mode: ({ url }) => (url.pathname === "/style.css" ? "none" : undefined),
    extend: ({ url }) => url.pathname !== "/poll",
  }),
);

app.get("/style.css", async ({ res }) => {
  res.headers.set("content-type", "text/css");
  return readFile("public/style.css");
});

app.get("/", ({ context }) => {
  const { user, cart } = context.session.data;
  return html(raw(shopPage({ user, cart })));
});

app.post("/login", async (event) => {
  const { session } = event.context;
  const user = (await field(event, "user")).trim();
  if (user === "") {
    event.res.status = 422;
    return html(raw(shopPage({ cart: session.data.cart, error: "Please enter a name." })));
  }
  await session.regenerate(); // a new ticket: nobody can have put the old one into this browser
  session.owner = user;
  session.data.user = user;
  return redirect("/", 303);
});

app.post("/cart", async (event) => {
  const item = await field(event, "item");
  if (!isItem(item)) throw HTTPError.status(404);
  event.context.session.update("cart", (cart) => withItem(cart, item));
  return redirect("/", 303);
});

app.post("/logout", async ({ context }) => {
  await context.session.destroy();
  return redirect("/", 303);
});

app.post("/logout-everywhere", async ({ context }) => {
  const { owner } = context.session;
  if (owner !== undefined) await sessions.revokeAll(owner);
  await context.session.destroy();
  return redirect("/", 303);
});

app.get("/sessions", async ({ context }) => {
  const { id, owner } = context.session;
  if (owner === undefined) return redirect("/", 303);
  return html(raw(sessionsPage(await Array.fromAsync(sessions.list({ owner })), id)));
});

app.post("/sessions/end", async (event) => {
  const id = await field(event, "id");
  const { owner } = event.context.session;
  const found = await sessions.find(id);
  if (owner !== undefined && found?.owner === owner) await sessions.revoke(id);
  return redirect("/sessions", 303);
});

// The route's own mode, in the place of the application's.
app.get("/poll", ({ context }) => ({ items: Object.values(context.session.data.cart).reduce((a, b) => a + b, 0) }), {
  middleware: [session(sessions, { mode: "readonly" })],
});

/** What a form's field has. */
async function field({ req }: H3Event, name: string): Promise<string> {
  return String((await req.formData()).get(name) ?? "");
}

serve(app, { port: Number(process.env.PORT ?? 3000), hostname: process.env.HOST ?? "localhost", silent: true });
