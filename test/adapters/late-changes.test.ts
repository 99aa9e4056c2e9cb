// Changes in place that come too late to be saved.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createSessions, type SessionEvents, type Sessions } from "../../src/index.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { SECRET } from "../support/stores.ts";
import { type App, Browser, frameworks, type Route } from "./apps.ts";

interface Data {
  user: string;
  items: string[];
}

const route = (async (session, url) => {
  const data = session.data as unknown as Data;
  data.items ??= [];
  const { items } = data;
  if (url.pathname === "/before") items.push("hat");
  if (url.pathname === "/readonly") items.push("lost");
  return {
    async *stream() {
      yield "begun";
      await sleep(5);
      if (url.pathname === "/after") items.push("late");
      yield "done";
    },
  };
}) as Route;

for (const [name, serve] of Object.entries(frameworks)) {
  for (const isLate of [false, true]) {
    describe(`${name}, a store that answers ${isLate ? "late" : "immediately"}: a change in place`, () => {
      let app: App;
      let sessions: Sessions<never>;
      let late: SessionEvents["lateChange"][] = [];
      const warnings: Error[] = [];
      const collect = (warning: Error) => void warnings.push(warning);

      before(async () => {
        const { sync: _, inProcess: __, ...rest } = memory();
        sessions = createSessions<never>({
          store: isLate ? rest : memory(),
          secret: SECRET,
          cookie: { secure: false },
        });
        sessions.on("lateChange", (event) => late.push(event));
        process.on("warning", collect);
        app = await serve(sessions as never, route);
      });
      after(async () => {
        process.off("warning", collect);
        await app.close();
        await sessions.close();
      });

      test("before the first byte is saved", async () => {
        const browser = new Browser(app.url);
        assert.equal(await browser.text("/before"), "begundone");
        await sleep(20);
        assert.deepEqual(late, []);
      });

      test("after the first byte is an event, which names the key", async () => {
        const browser = new Browser(app.url);
        assert.equal(await browser.text("/after"), "begundone");
        for (let i = 0; i < 100 && late.length === 0; i++) await sleep(5);
        const { id, keys } = late[0]!;
        assert.deepEqual([late.length, keys], [1, ["items"]]);
        assert.equal(typeof id, "string");
        late = [];
      });
    });
  }
}

const program = (environment: string, body: string) =>
  spawnSync(
    process.execPath,
    [
      "--input-type=module-typescript",
      "-e",
      `import { createSessions } from ${JSON.stringify(new URL("../../src/index.ts", import.meta.url).href)};
       const sessions = createSessions({ secret: ${JSON.stringify(SECRET)}, cookie: { secure: false } });
       const session = await sessions.openMaybeSync("");
       session.data.items = [];
       await session.commit();
       ${body}
       await sessions.close();`,
    ],
    { env: { ...process.env, NODE_ENV: environment }, encoding: "utf8" },
  );

describe("a change in place after the commit", () => {
  const change = "console.log(session.watchesLateChanges); session.data.items.push(1); session.reportLateChanges();";

  test("is a warning in development", () => {
    const { stdout, stderr } = program("development", change);
    assert.equal(stdout.trim(), "true");
    assert.match(stderr, /COATCHECK_LATE_CHANGE.*"items".*first byte/s);
  });

  test("costs nothing in production, where nobody listens", () => {
    const { stdout, stderr } = program("production", change);
    assert.equal(stdout.trim(), "false");
    assert.equal(stderr, "");
  });

  test("is an event in production, where somebody listens", () => {
    const { stdout, stderr } = program(
      "production",
      `sessions.on("lateChange", ({ keys }) => console.log(keys.join()));
       const next = await sessions.openMaybeSync(session.commit()[0].split(";")[0]);
       next.data.items.push(1);
       await next.commit();
       console.log(next.watchesLateChanges);
       next.data.items.push(2);
       next.reportLateChanges();`,
    );
    assert.deepEqual(stdout.trim().split("\n"), ["true", "items"]);
    assert.equal(stderr, "");
  });

  test("so is one in mode readonly", () => {
    const { stderr } = program(
      "development",
      `const next = await sessions.openMaybeSync(session.commit()[0].split(";")[0], { mode: "readonly" });
       next.data.items.push(1);
       await next.commit();
       next.reportLateChanges();`,
    );
    assert.match(stderr, /COATCHECK_LATE_CHANGE.*"items".*readonly/s);
  });
});
