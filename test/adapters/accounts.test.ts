// Tests of session.accounts behind each adapter, over HTTP.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createSessions } from "../../src/index.ts";
import { Browser, type Data, frameworks, type Route } from "./apps.ts";

const route: Route = async (session, { pathname, searchParams }) => {
  const id = searchParams.get("id") ?? "";
  if (pathname === "/login") {
    session.owner = id;
    session.set("user", id);
    await session.regenerate();
  }
  if (pathname === "/add") session.accounts.add();
  if (pathname === "/switch") await session.accounts.switchTo(id);
  if (pathname === "/end") await session.accounts.end(id);
  const list = await session.accounts.list();
  return { body: JSON.stringify(list.map(({ id, isActive, data }) => ({ id, isActive, user: data.user }))) };
};

interface Shown {
  id: string;
  isActive: boolean;
  user: string;
}

for (const [name, serve] of Object.entries(frameworks)) {
  test(`${name}: a browser signs in to two accounts, switches, and signs out of one`, async () => {
    const sessions = createSessions<Data>({ secret: "a secret for the tests of adapters", cookie: { secure: "auto" } });
    const app = await serve(sessions, route);
    const browser = new Browser(app.url);
    const list = async () => JSON.parse(await browser.text("/")) as Shown[];
    const users = async () => (await list()).map(({ user, isActive }) => (isActive ? user.toUpperCase() : user));
    await browser.text("/login?id=ann");
    await browser.text("/add");
    assert.deepEqual(await users(), ["ann"]);
    await browser.text("/login?id=ben");
    assert.deepEqual(await users(), ["BEN", "ann"]);
    const [ben, ann] = await list();
    await browser.text(`/switch?id=${ann!.id}`);
    assert.deepEqual(await users(), ["ANN", "ben"]);
    await browser.text(`/end?id=${ben!.id}`);
    assert.deepEqual(await users(), ["ANN"]);
    assert.match(browser.cookie!, /^sid=[\w-]{40}$/);
    await app.close();
    await sessions.close();
  });
}
