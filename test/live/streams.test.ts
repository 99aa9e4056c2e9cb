// Streams of events and long polls end with their session, and keep nobody logged in.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { session as onFetch } from "../../src/adapters/fetch.ts";
import { session as onNode, type SessionRequest } from "../../src/adapters/node.ts";
import { createSessions, type Sessions } from "../../src/index.ts";
import { memory } from "../../src/stores/memory/index.ts";
import { SECRET, type WatchedStore, watched } from "../support/stores.ts";

interface Data {
  user: string;
}

let store: WatchedStore;
let sessions: Sessions<Data>;
let cookie: string;

beforeEach(async () => {
  store = watched(memory());
  sessions = createSessions<Data>({ store, secret: SECRET, cookie: { secure: false }, idleTimeout: "2s" });
  const session = await sessions.open(null);
  session.owner = "ann";
  cookie = (await session.commit())[0]!.split(";")[0]!;
});
afterEach(() => sessions.close());

describe("a stream of events", () => {
  const options = { mode: "readonly", extend: false } as const;

  /** As docs/sockets.md has it. */
  const nodeHandler = () =>
    onNode(
      sessions,
      options,
    )((req: SessionRequest<Data>, res) => {
      if (req.session.owner === undefined) {
        res.writeHead(204).end();
        return;
      }
      const live = sessions.follow(req.session);
      res.writeHead(200, { "Content-Type": "text/event-stream" });
      res.write("data: hello\n\n");
      live.on("end", () => res.end());
      res.on("close", () => live.stop());
    });

  const fetchHandler = () =>
    onFetch(
      sessions,
      options,
    )((_request, session) => {
      if (session.owner === undefined) return new Response(null, { status: 204 });
      const live = sessions.follow(session);
      const body = new ReadableStream({
        start(controller) {
          controller.enqueue(new TextEncoder().encode("data: hello\n\n"));
          live.on("end", () => controller.close());
        },
        cancel: () => live.stop(),
      });
      return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
    });

  let server: Server;
  beforeEach(async () => {
    server = createServer(nodeHandler()).listen(0, "127.0.0.1");
    await once(server, "listening");
  });
  afterEach(async () => {
    server.closeAllConnections();
    server.close();
  });

  const ways: Record<string, (headers: Record<string, string>, signal?: AbortSignal) => Promise<Response>> = {
    node: (headers, signal) =>
      fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, { headers, ...(signal && { signal }) }),
    fetch: async (headers) => fetchHandler()(new Request("http://localhost/", { headers })),
  };

  for (const [name, request] of Object.entries(ways)) {
    test(`on ${name} ends with its session, and is refused after that`, async () => {
      const response = await request({ cookie });
      assert.equal(response.status, 200);
      const text = response.text();
      await sleep(100);
      await sessions.revokeAll("ann");
      assert.equal(await text, "data: hello\n\n");
      assert.equal((await request({ cookie })).status, 204);
    });

    test(`on ${name} keeps nobody logged in`, async () => {
      const began = performance.now();
      const response = await request({ cookie });
      await response.text();
      assert.ok(performance.now() - began < 4000);
      assert.equal(store.calls.includes("touch"), false);
    });

    test(`on ${name} leaves nothing when its client goes`, async () => {
      const controller = new AbortController();
      const response = await request({ cookie }, controller.signal);
      const reader = response.body!.getReader();
      await reader.read();
      await reader.cancel();
      controller.abort();
      await sleep(700);
      const { length } = store.calls;
      await sleep(700);
      assert.equal(store.calls.length, length);
    });
  }
});

test("a long poll ends with its session", async () => {
  const handler = onFetch(sessions, { mode: "readonly", extend: false })(async (_request, session) => {
    const live = sessions.follow(session);
    try {
      await sleep(30_000, undefined, { signal: live.signal });
      return new Response("news");
    } catch {
      return new Response("signed out", { status: 401 });
    } finally {
      live.stop();
    }
  });
  const response = handler(new Request("http://localhost/", { headers: { cookie } }));
  await sleep(100);
  await sessions.revokeAll("ann");
  assert.equal((await response).status, 401);
});
