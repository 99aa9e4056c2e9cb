// The same requests to express-session and to the drop-in: responses, cookies and stores must be the same.

import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, mock, test } from "node:test";
import type { SessionMiddleware, SessionOptions, SessionRequest } from "../../../src/adapters/express-session/index.ts";
import fc, { runs } from "../../support/random.ts";
import { application, dropIn, original, type Visit } from "./both.ts";
import { examples, options, visits } from "./random-visits.ts";

describe("the drop-in does what express-session does", () => {
  const start = Date.UTC(2030, 0, 1);
  before(() => mock.timers.enable({ apis: ["Date"], now: start }));
  after(() => {
    mock.timers.reset();
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
  });

  for (const [title, storeOf] of [
    ["each with its own MemoryStore", (session: typeof dropIn) => new session.MemoryStore()],
    ["both with the MemoryStore of express-session", () => new original.MemoryStore()],
  ] as const) {
    test(`in any sequence of requests, ${title}`, async () => {
      await fc.assert(
        fc.asyncProperty(options, visits, async (options, visits) => {
          const [theirs, ours] = [await seenBy(original, storeOf, options, visits), await seenBy(dropIn, storeOf, options, visits)]; // biome-ignore format: one line
          assert.deepEqual(ours, theirs);
        }),
        { examples, numRuns: runs(150) },
      );
    });
  }

  const basics = { secret: "keyboard cat", resave: false, saveUninitialized: false };

  test("a response that takes long extends its session at its end", async () => {
    const ends = [];
    for (const session of [original, dropIn]) {
      mock.timers.setTime(start);
      const store = new session.MemoryStore() as unknown as Store;
      const browser = await serve(session({ ...basics, cookie: { maxAge: 600_000 }, store: store as never }), {
        "/": (req, res) => {
          req.session.n = 1;
          res.end();
        },
        "/slow": (_req, res) => {
          res.write("begun ");
          mock.timers.setTime(Date.now() + 300_000);
          res.end("done");
        },
      });
      await browser.text("/");
      assert.equal(await browser.text("/slow"), "begun done");
      ends.push(Object.values(store.sessions).map((json) => JSON.parse(json).cookie.expires));
      await browser.close();
    }
    assert.deepEqual(ends[0], [new Date(start + 900_000).toISOString()]);
    assert.deepEqual(ends[1], ends[0]);
  });

  test("a logout after the first byte is final, however long the store takes to save", async () => {
    for (const session of [original, dropIn]) {
      const store = new session.MemoryStore() as unknown as Store;
      const { set } = store;
      store.set = (...args: unknown[]) => setTimeout(() => set.apply(store, args), 50);
      const browser = await serve(session({ ...basics, store: store as never }), {
        "/": (req, res) => {
          req.session.n = 1;
          res.write("begun ");
          req.session.destroy(() => res.end("done"));
        },
      });
      assert.equal(await browser.text("/"), "begun done");
      await new Promise((resolve) => setTimeout(resolve, 100));
      assert.deepEqual(Object.keys(store.sessions), []);
      await browser.close();
    }
  });

  test("an error of the store reaches the same handlers", async () => {
    for (const method of ["get", "set", "destroy", "touch"] as const) {
      for (const code of ["ECONNRESET", "ENOENT"]) {
        const seen = [];
        for (const session of [original, dropIn]) {
          const store = new session.MemoryStore() as unknown as Store;
          const errors: string[] = [];
          const options = { ...basics, unset: "destroy" as const, store: store as never };
          const browser = await serve(
            session(options),
            {
              "/": (req, res) => {
                req.session.n ??= 1;
                res.end(String(req.session.n));
              },
              "/set": (req, res) => {
                req.session.n = 2;
                res.end("set");
              },
              "/null": (req, res) => {
                req.session = null as never;
                res.end("null");
              },
              "/regenerate": (req, res) => req.session.regenerate((error) => res.end(error ? "error" : "done")),
            },
            errors,
          );
          await browser.text("/");
          store[method] = (...args: unknown[]) => {
            const done = args.at(-1) as (error: unknown) => void;
            setImmediate(done, Object.assign(new Error(`${method} fails`), { code }));
          };
          const answers = [];
          for (const path of ["/", "/set", "/regenerate", "/null"]) answers.push(await browser.text(path));
          await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
          seen.push([answers, errors]);
          await browser.close();
        }
        assert.deepEqual(seen[1], seen[0], `${method} ${code}`);
      }
    }
  });

  test("a request whose browser has gone saves its session all the same", async () => {
    for (const session of [original, dropIn]) {
      const store = new session.MemoryStore() as unknown as Store;
      const saved = new Promise<void>((resolve) => {
        const { set } = store;
        store.set = (...args: unknown[]) => {
          set.apply(store, args);
          resolve();
        };
      });
      const browser = await serve(session({ ...basics, store: store as never }), {
        "/": (req, res) => {
          res.once("close", () => {
            req.session.n = 1;
            res.end("nobody reads this");
          });
          req.socket.destroy();
        },
      });
      await assert.rejects(browser.text("/"));
      await saved;
      assert.deepEqual(
        Object.values(store.sessions).map((json) => JSON.parse(json).n),
        [1],
      );
      await browser.close();
    }
  });

  test("a cookie may depend on the request", async () => {
    const cookie = (req: IncomingMessage) => ({ path: "/", sameSite: req.url === "/lax" ? ("lax" as const) : false });
    const seen = [];
    for (const session of [original, dropIn]) {
      const route: Route = (req, res) => {
        req.session.n = 1;
        res.end();
      };
      const options = { ...basics, genid: () => "id", store: new session.MemoryStore(), cookie };
      const browser = await serve(session(options), { "/": route, "/lax": route });
      seen.push([await browser.cookiesOf("/"), await browser.cookiesOf("/lax")]);
      await browser.close();
    }
    assert.match(seen[0]![1]![0]!, /SameSite=Lax/);
    assert.deepEqual(seen[1], seen[0]);
  });

  async function seenBy(
    session: typeof dropIn,
    storeOf: (session: typeof dropIn) => { sessions?: Record<string, string> },
    options: SessionOptions,
    visits: readonly Visit[],
  ): Promise<unknown[]> {
    mock.timers.setTime(start);
    let ids = 0;
    const store = storeOf(session);
    const app = await application(session, { ...options, genid: () => `id-${ids++}`, store: store as never });
    const seen: unknown[] = [];
    try {
      for (const visit of visits) {
        mock.timers.setTime(Date.now() + visit.pause);
        seen.push(await app.visit(visit));
        const stored = Object.entries(store.sessions!).map(([id, json]) => [id, JSON.parse(json)] as const);
        // One that has ended is there or not: nobody gets it.
        seen.push(stored.filter(([, { cookie }]) => !cookie.expires || Date.parse(cookie.expires) > Date.now()));
      }
    } finally {
      await app.close();
    }
    return seen;
  }
});

/** Those of tests that fail are closed, too. */
const servers: Server[] = [];
type Request = IncomingMessage & { session: SessionRequest["session"] & { n?: number } };
type Route = (req: Request, res: ServerResponse) => unknown;
/** A MemoryStore whose methods a test may replace. */
type Store = { sessions: Record<string, string> } & Record<
  "get" | "set" | "destroy" | "touch",
  (...args: unknown[]) => void
>;

/** A server with routes, and a browser that keeps its last cookie. */
async function serve(middleware: SessionMiddleware, routes: Record<string, Route>, errors: string[] = []) {
  const server = createServer((req, res) => {
    middleware(req, res, (error) => {
      if (error === undefined) routes[req.url!]!(req as Request, res);
      else {
        errors.push((error as Error).message);
        if (!res.headersSent) res.writeHead(500).end("failed");
      }
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  let cookie = "";
  const get = async (path: string) => {
    const res = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { cookie } });
    const [set] = res.headers.getSetCookie();
    if (set !== undefined) cookie = set.split(";")[0]!;
    return res;
  };
  return {
    text: async (path: string) => (await get(path)).text(),
    async cookiesOf(path: string) {
      cookie = "";
      return (await get(path)).headers.getSetCookie();
    },
    close() {
      server.closeAllConnections();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
