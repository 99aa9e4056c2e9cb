import { bodyParser } from "@koa/bodyparser";
import Router from "@koa/router";
import { session } from "coatcheck/koa";
import Koa, { type Context } from "koa";
import serve from "koa-static";
import { isItem, sessionsPage, shopPage, withItem } from "./pages.ts";
import { sessions } from "./sessions.ts";

const router = new Router();

// It stands before the sessions of the other routes: a page that polls does not keep its user signed in.
router.get("/poll", session(sessions, { mode: "readonly", extend: false }), (ctx) => {
  ctx.body = { items: Object.values(ctx.session.data.cart).reduce((sum, count) => sum + count, 0) };
});

router.use(session(sessions), bodyParser());

router.get("/", (ctx) => {
  const { user, cart } = ctx.session.data;
  ctx.body = shopPage({ user, cart });
});

router.post("/login", async (ctx) => {
  const { session } = ctx;
  const user = field(ctx, "user").trim();
  if (user === "") {
    ctx.status = 422;
    ctx.body = shopPage({ cart: session.data.cart, error: "Please enter a name." });
    return;
  }
  await session.regenerate(); // a new ticket: nobody can have put the old one into this browser
  session.owner = user;
  session.data.user = user;
  seeOther(ctx, "/");
});

router.post("/cart", (ctx) => {
  const item = field(ctx, "item");
  if (!isItem(item)) ctx.throw(404);
  ctx.session.update("cart", (cart) => withItem(cart, item));
  seeOther(ctx, "/");
});

router.post("/logout", async (ctx) => {
  await ctx.session.destroy();
  seeOther(ctx, "/");
});

router.post("/logout-everywhere", async (ctx) => {
  const { owner } = ctx.session;
  if (owner !== undefined) await sessions.revokeAll(owner);
  await ctx.session.destroy();
  seeOther(ctx, "/");
});

router.get("/sessions", async (ctx) => {
  const { id, owner } = ctx.session;
  if (owner === undefined) seeOther(ctx, "/");
  else ctx.body = sessionsPage(await Array.fromAsync(sessions.list({ owner })), id);
});

router.post("/sessions/end", async (ctx) => {
  const id = field(ctx, "id");
  const { owner } = ctx.session;
  const found = await sessions.find(id);
  if (owner !== undefined && found?.owner === owner) await sessions.revoke(id);
  seeOther(ctx, "/sessions");
});

/** What a form's field has. */
function field(ctx: Context, name: string): string {
  return String((ctx.request.body as Record<string, unknown> | undefined)?.[name] ?? "");
}

function seeOther(ctx: Context, path: string): void {
  ctx.status = 303;
  ctx.redirect(path);
}

const app = new Koa();
app.use(serve("public")); // before the sessions: files need none
app.use(router.routes());
app.listen(Number(process.env.PORT ?? 3000), process.env.HOST ?? "localhost");
