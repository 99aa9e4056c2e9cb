// The pages. What stands in `${…}` is text, and escaped; only what `html` has made is markup.

import type { BrowserAccount, Session, SessionData, SessionInfo } from "coatcheck";
import { html } from "hono/html";
import { nameOf } from "./users.ts";

type Html = ReturnType<typeof html>;
type UserSession = Session<SessionData>;
type Account = BrowserAccount<SessionData>;
type Device = SessionInfo<SessionData>;

const DAY_MS = 86_400_000;

export function loginPage({ accounts, error }: { accounts: Account[]; error?: string }): Html {
  return page(
    "Your account",
    html`
      <section class="card narrow">
        <h2>Sign in</h2>
        ${form(
          "/login",
          undefined,
          html`
          <label for="user">Name</label>
          <input id="user" name="user" autocomplete="username" required>
          <label for="password">Password</label>
          <input id="password" name="password" type="password" autocomplete="current-password" required>
          <label class="check"><input type="checkbox" name="remember"> Remember me here for 30 days</label>
          ${error && html`<p class="error" role="alert">${error}</p>`}
          <button>Sign in</button>`,
          "fields",
        )}
        <p class="hint">Users of this example: Ann, Ben and Cleo. Their password is coat-check.</p>
      </section>
      ${accounts.length > 0 && accountsCard(accounts, undefined, "narrow")}`,
  );
}

export function accountPage({
  session,
  accounts,
  devices,
}: {
  session: UserSession;
  accounts: Account[];
  devices: Device[];
}): Html {
  const notice = session.flash("notice");
  const isExpired = session.data.tokens!.expires_at <= Date.now();
  return page(
    `${nameOf(session.owner!)}’s account`,
    html`
      ${notice !== undefined && html`<p class="card notice" role="status">${notice}</p>`}
      <section class="card">
        <h2>Devices</h2>
        <ul class="list">${devices.sort(byUse(session.id)).map((device) => deviceRow(device, session))}</ul>
        <div class="actions">
          ${form("/devices/end-others", session, html`<button class="quiet">Sign out on all others</button>`)}
          ${form("/devices/end-all", session, html`<button class="quiet">Sign out everywhere</button>`)}
        </div>
      </section>
      <div class="cards">
        ${accountsCard(accounts, session)}
        <section class="card">
          <h2>Password</h2>
          <p>You last entered it ${ago(session.authenticatedAt!)}. After five minutes, a change asks for it again.</p>
          <p class="actions"><a class="button" href="/password">Change the password</a></p>
        </section>
      </div>
      <section class="card">
        <h2>Orders, from another company’s API</h2>
        <p>The access token is good for ten minutes. The refresh token is good for one use: a second use ends the grant.</p>
        <div class="actions">
          <button id="call" hidden>Make ten calls at once</button>
          ${form("/tokens/expire", session, html`<button class="quiet">Let the access token expire</button>`)}
        </div>
        <output class="hint">${isExpired ? "The access token has expired." : "The access token is good."}</output>
        <noscript><p class="hint">The ten calls need JavaScript, as one form is one request.</p></noscript>
      </section>`,
  );
}

export function confirmPage({ session, error }: { session: UserSession; error?: string }): Html {
  return page(
    "Is it still you?",
    html`
      <section class="card narrow">
        <p>You entered your password more than five minutes ago. Enter it again to change it.</p>
        ${passwordForm("/confirm", session, { label: "Password", kind: "current-password", button: "Go on", error })}
      </section>`,
  );
}

export function passwordPage({ session, error }: { session: UserSession; error?: string }): Html {
  return page(
    "A new password",
    html`
      <section class="card narrow">
        <p>It signs you out on all other devices.</p>
        ${passwordForm("/password", session, { label: "New password", kind: "new-password", button: "Change it", error })}
      </section>`,
  );
}

export function errorPage(): Html {
  return page("Something went wrong", html`<section class="card"><p><a href="/">Back to the account</a></p></section>`);
}

function deviceRow({ id, client, lastSeenAt, expiresAt }: Device, session: UserSession): Html {
  const isThis = id === session.id;
  return html`
          <li data-device="${id}">
            <span class="name">${client?.label}
              <small>${client?.address}, ${isThis ? "now" : ago(lastSeenAt!)}${expiresAt > Date.now() + DAY_MS && ", remembered"}</small></span>
            ${
              isThis
                ? html`<span class="tag">this device</span>`
                : form(
                    "/devices/end",
                    session,
                    html`<button class="quiet" name="id" value="${id}" aria-label="Sign out ${client?.label}">Sign out</button>`,
                  )
            }
          </li>`;
}

function accountsCard(accounts: Account[], session: UserSession | undefined, kind = ""): Html {
  return html`
        <section class="card ${kind}">
          <h2>Accounts in this browser</h2>
          <ul class="list">${accounts.map((account) => accountRow(account, session))}</ul>
          ${
            session &&
            html`<div class="actions">
            ${accounts.length < 10 && form("/accounts/add", session, html`<button class="quiet">Add an account</button>`)}
            ${accounts.length > 1 && form("/accounts/end-all", session, html`<button class="quiet">Sign out of all</button>`)}
          </div>`
          }
        </section>`;
}

function accountRow({ id, owner, isActive }: Account, session: UserSession | undefined): Html {
  const name = nameOf(owner!);
  return html`
            <li data-account="${owner}">
              <span class="name">${name}</span>
              ${
                isActive
                  ? html`<span class="tag">active</span>`
                  : form(
                      "/accounts/switch",
                      session,
                      html`<button class="quiet" name="id" value="${id}" aria-label="Switch to ${name}">Switch</button>`,
                    )
              }
              ${form(
                "/accounts/end",
                session,
                html`<button class="quiet" name="id" value="${id}" aria-label="Sign out of ${name}’s account">Sign out</button>`,
              )}
            </li>`;
}

interface PasswordField {
  label: string;
  kind: "current-password" | "new-password";
  button: string;
  error: string | undefined;
}

function passwordForm(action: string, session: UserSession, { label, kind, button, error }: PasswordField): Html {
  return form(
    action,
    session,
    html`
          <input name="user" autocomplete="username" value="${session.owner}" hidden>
          <label for="password">${label}</label>
          <input id="password" name="password" type="password" autocomplete="${kind}" required autofocus>
          ${error && html`<p class="error" role="alert">${error}</p>`}
          <button>${button}</button>
          <a href="/">Cancel</a>`,
    "fields",
  );
}

/**
 * A form with its account, and with a token for browsers that do not say where a form comes from. Before the login there is
 * no token: a session would have to be stored for everybody who asks for the page. `csrf()` then goes by what the browser
 * says.
 */
function form(action: string, session: UserSession | undefined, content: Html, kind = ""): Html {
  return html`<form method="post" action="${action}" class="${kind}" data-form="${action.slice(1)}">
          ${session && html`<input type="hidden" name="account" value="${session.owner}"><input type="hidden" name="_csrf" value="${session.csrfToken()}">`}
          ${content}</form>`;
}

function page(title: string, content: Html): Html {
  return html`<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>${title} · The Coat Shop</title>
    <link rel="icon" href="data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 100 100'><text y='.9em' font-size='90'>🧥</text></svg>">
    <link rel="stylesheet" href="/public/style.css">
    <link rel="stylesheet" href="/public/account.css">
    <script type="module" src="/public/account.js"></script>
  </head>
  <body>
    <main>
      <header class="top"><h1>${title}</h1><p class="made-with">sessions by coatcheck</p></header>${content}
    </main>
  </body>
</html>`;
}

/** This device first, then those that were used last. */
function byUse(id: string) {
  return (a: Device, b: Device) => Number(b.id === id) - Number(a.id === id) || b.lastSeenAt! - a.lastSeenAt!;
}

/** How long ago an instant was. */
function ago(instant: number): Html {
  const minutes = Math.round((Date.now() - instant) / 60_000);
  const format = new Intl.RelativeTimeFormat("en");
  let text = "just now";
  if (minutes >= 1440) text = format.format(-Math.round(minutes / 1440), "day");
  else if (minutes >= 60) text = format.format(-Math.round(minutes / 60), "hour");
  else if (minutes >= 1) text = format.format(-minutes, "minute");
  return html`<time datetime="${new Date(instant).toISOString()}">${text}</time>`;
}
