// The recipes of docs/frameworks.md, run as they stand there, with their packages in a temporary folder.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { installPackages, packLibrary } from "../../scripts/examples.ts";
import { Browser } from "../adapters/browser.ts";
import { freePort, launch, run, type ServerProcess, tempDir } from "../servers/process.ts";
import { installExample, removeExample } from "./install.ts";

const PACKAGES = {
  "@trpc/client": "11.25.2",
  "@trpc/server": "11.25.2",
  "@types/express": "5.0.6",
  "@types/node": "24.19.2",
  express: "5.3.0",
  graphql: "17.1.0",
  "graphql-yoga": "5.24.1",
  typescript: "7.0.2",
};
// What runs in the folder of the example of React Router.
const DEV_SERVER_PACKAGES = { "@react-router/express": "8.4.0", "@types/express": "5.0.6", express: "5.3.0" };

const document = readFileSync(new URL("../../docs/frameworks.md", import.meta.url), "utf8");

/** The recipes' files, by the names in their first lines. */
const recipes = new Map(
  [...document.matchAll(/^```ts\n\/\/ ([\w-]+\.ts)\n(.*?)^```$/gms)].map(([, name, text]) => [name!, text!]),
);

function place(folder: string, ...names: string[]): void {
  for (const name of names) {
    assert.ok(recipes.has(name), `docs/frameworks.md has no recipe ${name}`);
    writeFileSync(join(folder, name), recipes.get(name)!);
  }
}

/** Checks the types of a folder's recipes. */
function checkTypes(folder: string, ...names: string[]): Promise<unknown> {
  const flags = "--strict --exactOptionalPropertyTypes --noEmit --skipLibCheck --ignoreConfig --types node".split(" ");
  const target = "--module nodenext --target es2024 --allowImportingTsExtensions".split(" ");
  return run(join(folder, "node_modules/.bin/tsc"), [...flags, ...target, ...names], { cwd: folder });
}

async function startRecipe(folder: string, name: string, path = "/"): Promise<ServerProcess & { url: string }> {
  const port = await freePort();
  const url = `http://localhost:${port}`;
  const server = await launch({
    name,
    command: process.execPath,
    args: ["--conditions=development", name],
    cwd: folder,
    env: { ...process.env, PORT: String(port) },
    ready: async () => (await fetch(url + path)).status < 500,
    timeout: 60_000,
  });
  return Object.assign(server, { url });
}

describe("recipes with packages of their own", () => {
  let folder: string;
  before(() => {
    folder = tempDir("recipes");
    writeFileSync(
      join(folder, "package.json"),
      JSON.stringify({ private: true, type: "module", dependencies: PACKAGES }),
    );
    writeFileSync(join(folder, ".npmrc"), "package-lock=false\n");
    process.env.COATCHECK_TARBALL ??= packLibrary();
    installPackages(folder, process.env.COATCHECK_TARBALL);
    place(folder, "trpc-server.ts", "trpc-client.ts", "yoga.ts");
  });
  after(() => removeExample(folder));

  test("their types know the session's data", () => checkTypes(folder, "trpc-client.ts", "yoga.ts"));

  describe("tRPC", () => {
    interface Client {
      cart: { query(): Promise<string[]> };
      add: { mutate(item: string): Promise<string[]> };
      login: { mutate(user: string): Promise<string> };
    }
    let server: Awaited<ReturnType<typeof startRecipe>>;
    let shopClient: (url: string) => Client;
    const realFetch = globalThis.fetch;
    let browser: Browser;

    before(async () => {
      server = await startRecipe(folder, "trpc-server.ts");
      ({ shopClient } = await import(pathToFileURL(join(folder, "trpc-client.ts")).href));
    });
    after(() => server.stop());

    /** The client of the recipe, in a browser of its own. */
    function newClient(): Client {
      browser = new Browser("");
      const ours = browser;
      const wrapped = ((url: string | URL, init: RequestInit) => {
        globalThis.fetch = realFetch;
        const answer = ours.get(String(url), init);
        globalThis.fetch = wrapped;
        return answer;
      }) as typeof fetch;
      globalThis.fetch = wrapped;
      return shopClient(`${server.url}/trpc`);
    }
    after(() => {
      globalThis.fetch = realFetch;
    });

    test("a batch of mutations is one request, and all of them count", async () => {
      const client = newClient();
      await Promise.all(["hat", "coat", "umbrella"].map((item) => client.add.mutate(item)));
      assert.deepEqual((await client.cart.query()).sort(), ["coat", "hat", "umbrella"]);
    });

    test("a login has a new ticket, and keeps the cart", async () => {
      const client = newClient();
      await client.add.mutate("hat");
      const { cookie } = browser;
      assert.equal(await client.login.mutate("ann"), "ann");
      assert.notEqual(browser.cookie, cookie);
      assert.deepEqual(await client.cart.query(), ["hat"]);
    });

    test("streamed queries read the session", async () => {
      const client = newClient();
      await client.add.mutate("hat");
      assert.deepEqual(await Promise.all([client.cart.query(), client.cart.query()]), [["hat"], ["hat"]]);
    });

    test("a streamed mutation is refused, and not lost unseen", async () => {
      newClient();
      globalThis.fetch = realFetch;
      const answer = await browser.get(`${server.url}/trpc/add?batch=1`, {
        method: "POST",
        headers: { "content-type": "application/json", "trpc-accept": "application/jsonl" },
        body: JSON.stringify({ 0: "hat" }),
      });
      assert.equal(answer.status, 200);
      assert.match(await answer.text(), /already committed|is committed/);
      assert.deepEqual(answer.setCookies, []);
    });

    test("a query can't write", async () => {
      globalThis.fetch = realFetch;
      const answer = await browser.get(`${server.url}/trpc/add?input="hat"`);
      assert.equal(answer.status, 405);
    });
  });

  describe("GraphQL Yoga", () => {
    let server: Awaited<ReturnType<typeof startRecipe>>;
    before(async () => {
      server = await startRecipe(folder, "yoga.ts", "/graphql?query={__typename}");
    });
    after(() => server.stop());

    async function send(browser: Browser, query: string) {
      const headers = { "content-type": "application/json" };
      const answer = await browser.get("/graphql", { method: "POST", headers, body: JSON.stringify({ query }) });
      return { answer, ...((await answer.json()) as { data?: object; errors?: unknown[] }) };
    }

    test("resolvers read and change the session", async () => {
      const browser = new Browser(server.url);
      const { answer } = await send(browser, 'mutation { add(item: "hat") }');
      assert.equal(answer.setCookies.length, 1);
      assert.deepEqual((await send(browser, "{ cart }")).data, { cart: ["hat"] });
    });

    test("what an operation with errors has changed is dropped", async () => {
      const browser = new Browser(server.url);
      await send(browser, 'mutation { add(item: "hat") }');
      const { errors, answer } = await send(browser, 'mutation { a: add(item: "coat") b: add(item: "") }');
      assert.equal(errors?.length, 1);
      assert.equal(answer.status, 200);
      assert.deepEqual((await send(browser, "{ cart }")).data, { cart: ["hat"] });
    });

    test("parallel mutations all count", async () => {
      const browser = new Browser(server.url);
      await send(browser, 'mutation { add(item: "hat") }');
      await Promise.all(Array.from({ length: 10 }, () => send(browser, 'mutation { add(item: "coat") }')));
      const { cart } = (await send(browser, "{ cart }")).data as { cart: string[] };
      assert.equal(cart.length, 11);
    });
  });
});

describe("Express under the dev server of Vite and React Router", () => {
  let folder: string;
  let server: Awaited<ReturnType<typeof startRecipe>>;

  const loader = (answer: string) => `import { sessionContext } from "coatcheck/react-router";
    export function loader({ context }) {
      const session = context.get(sessionContext);
      session.update("n", (n) => (n ?? 0) + 1);
      return new Response(${answer});
    }`;

  before(async () => {
    folder = installExample("react-router");
    const path = join(folder, "package.json");
    const manifest = JSON.parse(readFileSync(path, "utf8"));
    Object.assign(manifest.dependencies, DEV_SERVER_PACKAGES);
    writeFileSync(path, JSON.stringify(manifest));
    installPackages(folder, process.env.COATCHECK_TARBALL!);
    writeFileSync(
      join(folder, "app/routes.ts"),
      'import { route } from "@react-router/dev/routes";\nexport default [route("count", "count.ts")];\n',
    );
    writeFileSync(
      join(folder, "app/root.tsx"),
      'import { Outlet } from "react-router";\nexport default function Root() {\n  return <Outlet />;\n}\n',
    );
    writeFileSync(join(folder, "app/count.ts"), loader("String(session.data.n)"));
    place(folder, "dev-server.ts");
    server = await startRecipe(folder, "dev-server.ts", "/count");
  });
  after(async () => {
    await server?.stop();
    removeExample(folder);
  });

  test("its types know the session's data", () => checkTypes(folder, "dev-server.ts"));

  test("loaders have Express's session, and it survives a change of the application", async () => {
    const browser = new Browser(server.url);
    const first = await browser.get("/count");
    assert.equal(await first.text(), "1");
    assert.equal(first.setCookies.length, 1);
    assert.equal(await browser.text("/count"), "2");
    writeFileSync(join(folder, "app/count.ts"), loader('"changed " + session.data.n'));
    let text = "";
    for (let i = 3; i < 60 && !text.startsWith("changed"); i++) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      text = await browser.text("/count");
      assert.match(text, new RegExp(`^(changed )?${i}$`));
    }
    assert.match(text, /^changed/);
  });

  test("files of Vite need no session", async () => {
    const answer = await new Browser(server.url).get("/@vite/client");
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.setCookies, []);
  });
});
