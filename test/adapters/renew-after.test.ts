// renewAfter works behind every adapter: the response of a mere read brings the next ticket.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createSessions } from "../../src/index.ts";
import { SECRET, watched } from "../support/stores.ts";
import { Browser, type Data, frameworks } from "./apps.ts";
import { route } from "./suite-app.ts";

for (const [name, serve] of Object.entries(frameworks)) {
  test(`${name}: a read gets the next ticket, and the session goes on`, async (t) => {
    const options = { store: watched(), secret: SECRET, cookie: { secure: "auto" } } as const;
    const sessions = createSessions<Data>({ ...options, renewAfter: 1 });
    const app = await serve(sessions, route);
    t.after(() => app.close());
    const browser = new Browser(app.url);
    await browser.get("/login");
    const tickets = [browser.cookie];
    while (tickets.length < 4) {
      await new Promise((resolve) => setTimeout(resolve, 2));
      const answer = await browser.get("/whoami");
      assert.equal(await answer.text(), "ann");
      if (browser.cookie === tickets.at(-1)) continue;
      assert.match(answer.setCookies[0] ?? "", /^sid=[\w-]{44};/);
      assert.equal(answer.headers.get("cache-control"), "no-store");
      tickets.push(browser.cookie);
    }
    assert.equal(new Set(tickets).size, 4);
    // The second one has come back, and after it the third.
    assert.equal(await new Browser(app.url, tickets[0]).text("/whoami"), "nobody");
  });
}
