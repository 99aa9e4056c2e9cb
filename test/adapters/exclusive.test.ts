// The adapters in mode exclusive.

import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createSessions, type Sessions } from "../../src/index.ts";
import { file } from "../../src/stores/file/index.ts";
import { tempDir } from "../servers/process.ts";
import { type App, Browser, type Data, frameworks, type Route } from "./apps.ts";

const folder = tempDir("exclusive");
after(() => rmSync(folder, { recursive: true, force: true }));

let hanging = 0;

const route: Route = async (session, url) => {
  switch (url.pathname) {
    case "/begin":
      session.data.n = 0;
      return { body: "0" };
    case "/add": {
      const { n } = session.data;
      await sleep(1);
      session.data.n = n + 1;
      return { body: String(n + 1) };
    }
    case "/slow":
      await sleep(200);
      return { body: "slow" };
    case "/fail":
      session.data.n = -1;
      return { status: 500, body: "failed" };
    case "/throw":
      session.data.n = -1;
      throw new Error("the handler fails on purpose");
    case "/hang":
      hanging++;
      return new Promise<never>(() => {});
    default:
      return { body: String(session.data.n) };
  }
};

for (const [name, serve] of Object.entries(frameworks)) {
  describe(`${name}: mode exclusive`, () => {
    let app: App;
    let sessions: Sessions<Data>;

    before(async () => {
      sessions = createSessions<Data>({
        store: file({ path: join(folder, "sessions") }),
        secret: "a secret for the tests of adapters",
        cookie: { secure: "auto" },
        mode: "exclusive",
        exclusive: { lease: "1s", maxWait: "20s", maxQueue: 60 },
      });
      app = await serve(sessions, route);
    });
    after(async () => {
      await app.close();
      await sessions.close();
    });

    async function begun(): Promise<Browser> {
      const browser = new Browser(app.url);
      await browser.get("/begin");
      return browser;
    }

    test("50 parallel n++ give 50", async () => {
      const browser = await begun();
      const numbers = await Promise.all(Array.from({ length: 50 }, () => browser.text("/add")));
      assert.deepEqual(
        numbers.map(Number).sort((one, other) => one - other),
        Array.from({ length: 50 }, (_, i) => i + 1),
      );
    });

    test("failed requests release the session", async () => {
      const browser = await begun();
      for (const path of ["/fail", "/throw", "/fail", "/throw"]) assert.equal((await browser.get(path)).status, 500);
      assert.equal(await browser.text("/add"), "1");
    });

    test("a request for a full queue gets 429, and queued requests succeed", async () => {
      const browser = await begun();
      const requests = Array.from({ length: 70 }, (_, i) => browser.get(i === 0 ? "/slow" : "/n"));
      const statuses = (await Promise.all(requests)).map(({ status }) => status);
      const full = statuses.filter((status) => status === 429).length;
      assert.ok(full >= 1, "no request was refused");
      assert.equal(statuses.filter((status) => status === 200).length, statuses.length - full);
    });

    test("a client that disconnects does not block its next request", async () => {
      const browser = await begun();
      const before = hanging;
      const request = get(`${app.url}/hang`, { headers: { cookie: browser.cookie! } });
      request.on("error", () => {});
      while (hanging === before) await sleep(5);
      request.destroy();
      assert.equal(await browser.text("/add"), "1");
    });
  });
}
