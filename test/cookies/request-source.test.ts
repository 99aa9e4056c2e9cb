// Tests of the request's source: its cookies, and whether it came over https.

import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { describe, test } from "node:test";
import { setUp } from "../support/set-up.ts";

describe("the request's source", () => {
  const header = async () => {
    const { browser, sessions, store } = setUp({ cookie: { secure: "auto" } });
    const session = await sessions.open(undefined, { secure: true });
    session.set("a", 1);
    browser.cookie = (await session.commit())[0]!.split(";")[0];
    return { cookie: browser.cookie!, sessions, store };
  };

  test("is a Request, an IncomingMessage or a Cookie header", async () => {
    const { cookie, sessions } = await header();
    const request = new Request("https://example.com/", { headers: { cookie } });
    assert.equal((await sessions.open(request)).get("a"), 1);
    const incoming = { headers: { cookie }, socket: { encrypted: true } } as unknown as IncomingMessage;
    assert.equal((await sessions.open(incoming)).get("a"), 1);
    assert.equal((await sessions.open(cookie, { secure: true })).get("a"), 1);
    for (const none of [
      undefined,
      null,
      "",
      new Request("https://example.com/"),
      { headers: {}, socket: null } as unknown as IncomingMessage,
    ]) {
      // biome-ignore format: a list
      assert.equal((await sessions.open(none)).isNew, true);
    }
  });

  test("tells whether it came over https, by its connection or by X-Forwarded-Proto", async () => {
    const { sessions } = await header();
    const names = async (source: Parameters<typeof sessions.open>[0]) => {
      const session = await sessions.open(source);
      session.set("a", 1);
      return (await session.commit())[0]!.split("=")[0];
    };
    const incoming = (proto: string | undefined, encrypted = false) =>
      ({ headers: { "x-forwarded-proto": proto }, socket: { encrypted } }) as unknown as IncomingMessage;
    const request = (url: string, proto?: string) =>
      new Request(url, { headers: proto === undefined ? {} : { "x-forwarded-proto": proto } });
    for (const secure of [
      incoming("https"),
      incoming(undefined, true),
      incoming("https, http"),
      incoming("https,http"),
      incoming("http", true),
      request("https://a/"),
      request("http://a/", "https"),
      request("http://a/", "https, http"),
    ]) {
      // biome-ignore format: a list
      assert.equal(await names(secure), "__Host-sid");
    }
    for (const plain of [
      incoming(undefined),
      incoming("http"),
      incoming("http, https"),
      incoming("httpsx"),
      request("http://a/"),
      request("http://a/", "http"),
      "",
      undefined,
    ]) {
      // biome-ignore format: a list
      assert.equal(await names(plain), "sid");
    }
  });
});
