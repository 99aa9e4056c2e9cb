// HTTP/2, whose requests and responses look like those of HTTP/1.

import assert from "node:assert/strict";
import { connect, createSecureServer, createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, test } from "node:test";
import { session } from "../../src/adapters/node.ts";
import { createSessions, type Session, type Sessions, StoreError } from "../../src/index.ts";
import { SECRET, type WatchedStore, watched } from "../support/stores.ts";

let store: WatchedStore;
let sessions: Sessions<{ n: number }>;
let close: (() => void) | undefined;
beforeEach(() => {
  store = watched();
  sessions = createSessions({ store, secret: SECRET, cookie: { secure: false }, sweepInterval: false });
});
afterEach(async () => {
  close?.();
  await sessions.close();
});

type Handler = Parameters<ReturnType<typeof session<{ n: number }>>>[0];

/** Sends one request to a server with this handler. */
async function answerOf(handler: Handler): Promise<{ headers: Record<string, unknown>; body: string }> {
  const server = createServer({}, session(sessions)(handler));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  close = () => {
    client.close();
    server.close();
  };
  const stream = client.request({ ":path": "/" });
  const headers = await new Promise<Record<string, unknown>>((resolve, reject) => {
    stream.once("response", resolve).once("error", reject);
  });
  let body = "";
  for await (const chunk of stream.setEncoding("utf8")) body += chunk;
  return { headers, body };
}

describe("HTTP/2", () => {
  test("createSecureServer takes the adapter's handler", () => {
    const server = createSecureServer(
      {},
      session(sessions)((req, res) => res.end(req.session.id)),
    );
    assert.equal(server.listenerCount("request"), 1);
  });

  test("a response waits for its commit, and looks sent meanwhile", async () => {
    const { headers, body } = await answerOf((req, res) => {
      (req.session as Session<{ n: number }>).data.n = 1;
      res.writeHead(201, { Vary: "Origin" });
      assert.equal(res.headersSent, true);
      assert.throws(() => res.setHeader("x-late", "1"));
      assert.throws(() => res.writeHead(200));
      res.write("one ");
      res.end("two");
      assert.equal(res.writableEnded, true);
    });
    assert.deepEqual([headers[":status"], body, headers.vary], [201, "one two", "Origin, Cookie"]);
    assert.match(String(headers["set-cookie"]), /^sid=/);
  });

  test("an error after its end does not cut the response off", async () => {
    const { headers, body } = await answerOf((req, res) => {
      (req.session as Session<{ n: number }>).data.n = 1;
      res.end("whole");
      res.destroy();
    });
    assert.deepEqual([headers[":status"], body], [200, "whole"]);
  });

  test("a commit that fails is answered 503", async () => {
    store.before = () => {
      throw new StoreError("coatcheck: down");
    };
    const { headers, body } = await answerOf((req, res) => {
      (req.session as Session<{ n: number }>).data.n = 1;
      res.setHeader("x-request-id", "7");
      res.setHeader("etag", '"1"');
      res.end("never seen");
    });
    assert.deepEqual([headers[":status"], headers["x-request-id"], headers.etag], [503, "7", undefined]);
    assert.match(body, /Service Unavailable/);
  });
});
