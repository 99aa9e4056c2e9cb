// The recipes of docs/sockets.md for the upgrades of Hono, Bun and Deno. The latter two run where they are installed:
//   BUN=path/of/bun DENO=path/of/deno node --test test/adapters/sockets/recipes.test.ts

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launch, type ServerProcess } from "../../servers/process.ts";
import { type Client, openSocket, until } from "./kit.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const { BUN, DENO } = process.env;
const runtimes: [recipe: string, command: string | undefined, args: string[]][] = [
  ["hono", process.execPath, []],
  ["bun", BUN, ["run"]],
  ["deno", DENO, ["run", "--allow-all", "--node-modules-dir=manual", "--no-check", "--quiet"]],
];

for (const [recipe, command, args] of runtimes) {
  describe(`the recipe for ${recipe}`, { skip: command === undefined && "not installed" }, () => {
    let server: ServerProcess;
    let port: number;
    before(async () => {
      server = await launch({
        name: recipe,
        command: command!,
        args: [...args, `test/adapters/sockets/recipes/${recipe}.ts`],
        cwd: root,
        env: { ...process.env, NODE_TEST_CONTEXT: "" },
        ready: () => true,
      });
      await until(() => /listening on port \d+/.test(server.output()), 30_000);
      port = Number(/listening on port (\d+)/.exec(server.output())![1]);
    });
    after(() => server?.stop());
    afterEach(() => {
      for (const { socket } of clients.splice(0)) socket.terminate();
    });

    const get = (path: string) => fetch(`http://127.0.0.1:${port}${path}`);

    const clients: Client[] = [];
    async function connect(cookie?: string, query = ""): Promise<Client> {
      const client = await openSocket(`ws://127.0.0.1:${port}/ws${query}`, cookie);
      clients.push(client);
      return client;
    }

    async function signIn(user: string): Promise<string> {
      const response = await get(`/login?user=${user}`);
      return response.headers.getSetCookie()[0]!.split(";")[0]!;
    }

    test("a session is followed, and its end closes its sockets, and no others", async () => {
      const cookie = await signIn("ann");
      const tabs = [await connect(cookie), await connect(cookie)];
      const other = await connect(await signIn("bob"));
      assert.equal(await tabs[0]!.ask("add"), "1");
      assert.equal(await tabs[1]!.ask("add"), "2");
      assert.equal(await (await get("/logout-everywhere?user=ann")).text(), "1");
      await until(() => tabs.every(({ closed }) => closed));
      for (const { closed } of tabs) assert.deepEqual([closed!.code, closed!.reason], [1008, "session ended"]);
      assert.equal(await other.ask("add"), "1");
    });

    test("a cookie that is due goes out with the handshake", async () => {
      const client = await connect(undefined, "?begin");
      assert.equal(client.setCookies.length, 1);
      assert.equal(await client.ask("add"), "2");
      const again = await connect(client.setCookies[0]!.split(";")[0]);
      assert.deepEqual(again.setCookies, []);
      assert.equal(await again.ask("add"), "3");
    });
  });
}
