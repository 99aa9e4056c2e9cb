// Hono on @hono/node-server, whose responses keep a text or bytes beside the stream: copies keep them, too.

import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { after, before, describe, test } from "node:test";
import { type ServerType, serve } from "@hono/node-server";
import { Hono } from "hono";
import { session } from "../../src/adapters/hono.ts";
import { createSessions } from "../../src/index.ts";
import { SECRET } from "../support/stores.ts";

const sessions = createSessions<{ n: number }>({ secret: SECRET, cookie: { secure: false }, sweepInterval: false });
let server: ServerType;
let url: string;

/** Responses as an application makes them, with the status and the body that the client gets. */
const RESPONSES: Record<string, [make: () => Response, status: number, body: string]> = {
  text: [() => new Response("plain"), 200, "plain"],
  "text with headers": [
    () => new Response("<p>", { status: 201, headers: { "Content-Type": "text/html" } }),
    201,
    "<p>",
  ],
  bytes: [() => new Response(new Uint8Array([98, 121, 116, 101])), 200, "byte"],
  nothing: [() => new Response(null, { status: 204 }), 204, ""],
  json: [() => Response.json({ a: 1 }), 200, '{"a":1}'],
  "a body that was asked for": [
    () => {
      const response = new Response("read");
      assert.notEqual(response.body, null);
      return response;
    },
    200,
    "read",
  ],
  blob: [() => new Response(new Blob(["blob"], { type: "text/x-blob" })), 200, "blob"],
  stream: [() => new Response(new Blob(["stream"]).stream(), { status: 202 }), 202, "stream"],
};
const names = Object.keys(RESPONSES);
const KEPT = ["text", "text with headers", "bytes", "nothing", "json"];
/** An application that sends one object to all. */
const shared = new Map<string, Response>();

before(async () => {
  const app = new Hono();
  app.use("/session/*", session(sessions));
  const of = (kind: string) => RESPONSES[names[Number(kind)]!]![0];
  app.get("/session/:kind", (c) => {
    (c.get("session") as unknown as { data: { n: number } }).data.n = 1;
    return of(c.req.param("kind"))();
  });
  app.get("/bare/:kind", (c) => of(c.req.param("kind"))());
  app.get("/session/shared/:kind", (c) => {
    const kind = c.req.param("kind");
    (c.get("session") as unknown as { data: { n: number } }).data.n = 1;
    if (!shared.has(kind)) shared.set(kind, of(kind)());
    return shared.get(kind)!;
  });
  server = serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" });
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(async () => {
  server.close();
  await sessions.close();
});

/** What of a response does not belong to the session. */
async function seen(path: string) {
  const response = await fetch(url + path);
  const headers = Object.fromEntries(response.headers);
  for (const name of ["date", "set-cookie", "vary", "cache-control", "cdn-cache-control", "surrogate-control"])
    delete headers[name];
  return { status: response.status, headers, body: await response.text(), cookies: response.headers.getSetCookie() };
}

describe("a response with a session's cookie is the one without it", () => {
  for (const [i, name] of names.entries()) {
    test(name, async () => {
      const [, status, body] = RESPONSES[name]!;
      const [answer, bare] = [await seen(`/session/${i}`), await seen(`/bare/${i}`)];
      assert.equal(answer.cookies.length, 1);
      assert.deepEqual([answer.status, answer.body], [status, body]);
      // The server makes up headers for some bodies that it knows only as streams.
      if (KEPT.includes(name)) assert.deepEqual({ ...answer, cookies: [] }, bare);
    });
  }

  test("a text goes out whole, and not as a stream", async () => {
    assert.equal((await seen("/session/0")).headers["content-length"], "5");
  });
});

describe("one response that several users get does not carry one's ticket to another", () => {
  for (const name of KEPT) {
    test(name, async () => {
      const path = `/session/shared/${names.indexOf(name)}`;
      const [one, other] = [await seen(path), await seen(path)];
      assert.deepEqual([one.cookies.length, other.cookies.length], [1, 1]);
      assert.notEqual(one.cookies[0], other.cookies[0]);
      assert.deepEqual({ ...one, cookies: [] }, { ...other, cookies: [] });
      assert.deepEqual(shared.get(String(names.indexOf(name)))!.headers.getSetCookie(), []);
    });
  }
});
