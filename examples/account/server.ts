import { serve } from "@hono/node-server";
import { serveStatic } from "@hono/node-server/serve-static";
import { ReauthenticationError } from "coatcheck";
import { csrf, session } from "coatcheck/hono";
import { type Context, Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import { secureHeaders } from "hono/secure-headers";
import { clientOf } from "./client.ts";
import { sessions } from "./sessions.ts";
import { firstTokens, orders } from "./tokens.ts";
import { setPassword, verify } from "./users.ts";
import { accountPage, confirmPage, errorPage, loginPage, passwordPage } from "./views.ts";

const app = new Hono();

app.use(
  secureHeaders({
    contentSecurityPolicy: {
      defaultSrc: ["'none'"],
      styleSrc: ["'self'"],
      scriptSrc: ["'self'"],
      connectSrc: ["'self'"],
      imgSrc: ["data:"],
      formAction: ["'self'"],
      baseUri: ["'none'"],
      frameAncestors: ["'none'"],
    },
    referrerPolicy: "same-origin", // without a referrer browsers send `Origin: null`, which says nothing to csrf()
  }),
);
app.use("/public/*", serveStatic({ root: "." })); // before the sessions: files need none
app.use(session(sessions));
app.use(csrf());

// For everybody.

app.get("/", async (c) => {
  const { session } = c.var;
  const accounts = await session.accounts.list();
  if (session.owner === undefined) return c.html(loginPage({ accounts }));
  const devices = await Array.fromAsync(sessions.list({ owner: session.owner }));
  return c.html(accountPage({ session, accounts, devices }));
});

app.post("/login", async (c) => {
  const { session } = c.var;
  const accounts = await session.accounts.list();
  const user = await verify(await field(c, "user"), await field(c, "password"));
  if (user === undefined) return c.html(loginPage({ accounts, error: "That is not the name and password." }), 422);
  const former = accounts.find(({ owner, isActive }) => owner === user.id && !isActive);
  if (former !== undefined) await session.accounts.end(former.id); // one session for each account of this browser
  session.owner = { id: user.id, stamp: user.passwordHash };
  session.client = clientOf(c);
  session.data.tokens = await firstTokens(user.id);
  if ((await field(c, "remember")) !== "") session.persist("30d");
  await session.regenerate({ keep: [] }); // a new ticket, and nothing of what was there before
  return c.redirect("/", 303);
});

app.post("/accounts/switch", async (c) => {
  await c.var.session.accounts.switchTo(await field(c, "id"));
  return c.redirect("/", 303);
});

app.post("/accounts/end", async (c) => {
  await c.var.session.accounts.end(await field(c, "id"));
  return c.redirect("/", 303);
});

app.post("/accounts/end-all", async (c) => {
  await c.var.session.accounts.endAll();
  return c.redirect("/", 303);
});

// For users who are signed in, and only in the account whose page has the form: another tab may have switched.

app.use(async (c, next) => {
  const { session } = c.var;
  if (session.owner === undefined) return c.redirect("/", 303);
  if (c.req.method !== "POST" || (await field(c, "account")) === session.owner) return next();
  session.flash("notice", "Nothing was changed: the page was another account’s.");
  return c.redirect("/", 303);
});

app.post("/accounts/add", (c) => {
  c.var.session.accounts.add(); // the next request has no session: the page asks for a login
  return c.redirect("/", 303);
});

app.post("/devices/end", async (c) => {
  const { session } = c.var;
  await sessions.revoke(await field(c, "id"), { owner: session.owner! }); // nobody else's
  return c.redirect("/", 303);
});

app.post("/devices/end-others", async (c) => {
  const { session } = c.var;
  session.flash("notice", `Signed out on ${counted(await sessions.revokeOthers(session), "other device")}.`);
  return c.redirect("/", 303);
});

app.post("/devices/end-all", async (c) => {
  const { session } = c.var;
  await sessions.revokeAll(session.owner!);
  await session.destroy(); // takes the cookie from this browser, too
  return c.redirect("/", 303);
});

app.get("/confirm", (c) => c.html(confirmPage({ session: c.var.session })));

app.post("/confirm", async (c) => {
  const { session } = c.var;
  if ((await verify(session.owner!, await field(c, "password"))) === undefined) {
    return c.html(confirmPage({ session, error: "That is not your password." }), 422);
  }
  session.reauthenticated();
  await session.regenerate();
  return c.redirect("/password", 303);
});

app.get("/password", (c) => {
  c.var.session.requireFresh("5m");
  return c.html(passwordPage({ session: c.var.session }));
});

app.post("/password", async (c) => {
  const { session } = c.var;
  session.requireFresh("5m");
  const password = await field(c, "password");
  if (password.length < 8) return c.html(passwordPage({ session, error: "Take eight characters or more." }), 422);
  const { passwordHash } = await setPassword(session.owner!, password);
  const ended = await sessions.stamp(session, passwordHash); // also ends logins with the old password that are under way
  session.flash("notice", `Your password is changed. Signed out on ${counted(ended, "other device")}.`);
  await session.regenerate();
  return c.redirect("/", 303);
});

app.get("/orders", async (c) => c.json(await orders(c.var.session)));

app.post("/tokens/expire", (c) => {
  c.var.session.update("tokens", (tokens) => ({ ...tokens!, expires_at: 0 }));
  return c.redirect("/", 303);
});

app.onError((error, c) => {
  if (error instanceof ReauthenticationError) return c.redirect("/confirm", 303); // the login is too old
  if (error instanceof HTTPException) return error.getResponse(); // of csrf(), and of sessions whose store is down
  console.error(error);
  return c.html(errorPage(), 500);
});

/** What a form's field has. */
async function field(c: Context, name: string): Promise<string> {
  return String((await c.req.parseBody())[name] ?? "");
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

serve({
  fetch: app.fetch,
  port: Number(process.env.PORT ?? 3000),
  hostname: process.env.HOST ?? "localhost",
});
