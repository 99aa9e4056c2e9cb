// Addresses of Redis servers: whatever one says is used, or refused with the reason.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { OptionError } from "../../../src/errors.ts";
import { parseAddress } from "../../../src/stores/redis/address.ts";
import { redis } from "../../../src/stores/redis/index.ts";
import { type RedisOptions, settings, type Target } from "../../../src/stores/redis/options.ts";
import { startRedis } from "../../servers/redis.ts";
import fc, { runs } from "../../support/random.ts";

const HOST = { host: "host", port: 6379 };

/** What is read of an address, without what it does not say. */
function read(text: string): object {
  const { address, credentials, tls, database } = parseAddress("url", text);
  return {
    ...("path" in address ? { path: address.path } : { host: address.host, port: address.port }),
    ...credentials,
    ...(tls && { tls }),
    ...(database !== undefined && { database }),
  };
}

describe("redis: an address is read", () => {
  const right: [string, object][] = [
    ["redis://host", HOST],
    ["redis://host:7000/2", { host: "host", port: 7000, database: 2 }],
    ["redis://host/", HOST],
    ["REDIS://host", HOST],
    ["valkey://host", HOST],
    ["valkeys://host", { ...HOST, tls: true }],
    ["rediss://host:6380", { host: "host", port: 6380, tls: true }],
    ["redis://[::1]:7000", { host: "::1", port: 7000 }],
    ["redis://user:pass@host", { ...HOST, username: "user", password: "pass" }],
    ["redis://:pass@host", { ...HOST, password: "pass" }],
    ["redis://:a%40b%2Fc%3F%25@host/1", { ...HOST, password: "a@b/c?%", database: 1 }],
    // Not encoded.
    ["redis://:p@ss@host", { ...HOST, password: "p@ss" }],
    ["redis://:p/a?s#s:w@host:6379/0", { ...HOST, password: "p/a?s#s:w", database: 0 }],
    ["redis://:a/b@c/d@host/3", { ...HOST, password: "a/b@c/d", database: 3 }],
    ["redis://:100%@host", { ...HOST, password: "100%" }],
    ["redis://:a+b=@host", { ...HOST, password: "a+b=" }],
    ["redis://user:a b[c]@host", { ...HOST, username: "user", password: "a b[c]" }],
    // In the query.
    ["redis://host?db=3", { ...HOST, database: 3 }],
    ["redis://host:6379?tls=true&database=1", { ...HOST, tls: true, database: 1 }],
    ["redis://host?ssl=1&user=web&password=p%2Fw", { ...HOST, tls: true, username: "web", password: "p/w" }],
    ["redis://host?tls=false", HOST],
    ["unix:///run/redis.sock", { path: "/run/redis.sock" }],
    ["unix:///run/redis.sock?db=2", { path: "/run/redis.sock", database: 2 }],
    ["unix://user:pass@/run/redis.sock", { path: "/run/redis.sock", username: "user", password: "pass" }],
    ["host", HOST],
    ["host:7000", { host: "host", port: 7000 }],
  ];
  for (const [text, found] of right) test(text, () => assert.deepEqual(read(text), found));

  test("with any password, encoded or not", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.string({ unit: "binary", minLength: 1 }), (plain, password) => {
        const encoded = encodeURIComponent(password);
        assert.deepEqual(read(`redis://web:${encoded}@host/1`), { ...HOST, username: "web", password, database: 1 });
        let found: object;
        try {
          found = read(`redis://web:${plain}@host`);
        } catch (error) {
          assert.ok(error instanceof OptionError);
          return;
        }
        const expected = /%[\da-f]{2}/i.test(plain) ? decodeURIComponent(plain) : plain;
        assert.deepEqual(found, { ...HOST, username: "web", password: expected });
      }),
      { numRuns: runs(2_000) },
    );
  });
});

describe("redis: an address is refused", () => {
  const wrong: [string, RegExp][] = [
    ["redis:sekret", /its host or its port is wrong/],
    ["https://sekret", /its protocol is unknown: give redis:\/\/host:port/],
    ["sekret@host:6379", /give redis:\/\/host:port/],
    ["redis://", /its host or its port is wrong/],
    ["redis://host:99999", /its port is no number from 1 to 65535/],
    ["redis://host:sekret", /its host or its port is wrong/],
    ["redis://host/sekret", /the path after the host is no database/],
    ["redis://host/0/1", /the path after the host is no database/],
    ["redis://host#sekret", /it has a # after the host/],
    ["redis://sekret@host", /a user without a password/],
    ["redis://sekret:@host", /a user without a password/],
    ["redis://host?db=sekret", /its database is no number/],
    ["redis://host/1?db=2", /names the database twice/],
    ["redis://host?tls=sekret", /its tls is neither true nor false/],
    ["rediss://host?tls=false", /TLS by rediss:\/\/ and for none by tls=false/],
    ["redis://host?timeout=sekret", /the parameter "timeout", which is unknown: leave it out/],
    ["redis://host?ssl_cert_reqs=none", /the parameter "ssl_cert_reqs"/],
    ["redis://host?db=1&db=2", /the parameter "db" twice/],
    ["redis://:sekret@host?password=sekret", /credentials before the host and in the query/],
    ["redis://host?user=sekret", /a user without a password/],
    ["redis://:sek%40ret/x@host", /its password has percent signs/],
    ["redis://:sekret%40%@host", /its password has percent signs/],
    ["redis://:sekret%ff@host", /its password has percent signs/],
    ["redis://:sekret@one?password=sekret@two", /not clear which @ stands before the host/],
    ["unix://", /names no socket/],
  ];
  for (const [text, message] of wrong) {
    test(text, () => {
      assert.throws(
        () => parseAddress("url", text),
        (error) => {
          assert.ok(error instanceof OptionError);
          assert.match(error.message, message);
          assert.match(error.message, /^coatcheck: option "url" is \(not shown\): /);
          assert.doesNotMatch(`${error.message} ${error.stack}`, /sekret/);
          assert.equal(error.cause, undefined);
          return true;
        },
      );
    });
  }
});

describe("redis: what the addresses of several servers say", () => {
  const target = (options: RedisOptions) => settings(options).target as Target;

  test("is used for all of them", () => {
    const { credentials, tls } = target({ cluster: { nodes: ["rediss://u:p@a:1", "b:2"] } });
    assert.deepEqual([credentials, tls], [{ username: "u", password: "p" }, {}]);
    const sentinel = target({ sentinel: { name: "m", nodes: ["rediss://:s@a:1", "rediss://:s@b:2"] }, accessKey: "p" });
    assert.deepEqual(
      [sentinel.credentials, sentinel.sentinelCredentials, sentinel.tls],
      [{ password: "p" }, { password: "s" }, {}],
    );
    assert.equal(target({ servers: ["redis://a:1/4", "b:2"] }).database, 4);
    assert.deepEqual(target({ cluster: { nodes: ["a:1"] }, tls: { servername: "a" } }).tls, { servername: "a" });
    assert.deepEqual(target({ host: "a", tls: { servername: "a" } }).tls, { servername: "a" });
    assert.deepEqual(target({ host: "a", port: 6380 }).tls, {});
  });

  const wrong: [RedisOptions, RegExp][] = [
    [
      { cluster: { nodes: ["redis://:one@a:1", "redis://:two@b:2"] } },
      /"cluster.nodes" .*differ in TLS, user, password/,
    ],
    [{ cluster: { nodes: ["redis://a:1", "rediss://b:2"] } }, /"cluster.nodes" .*differ in TLS/],
    [{ cluster: { nodes: ["redis://a:1/2"] } }, /"cluster.nodes" .*only database 0/],
    [{ cluster: { nodes: ["redis://:one@a:1"] }, accessKey: "two" }, /"cluster.nodes" .*the options have one, too/],
    [{ cluster: { nodes: ["rediss://a:1"] }, ssl: false }, /"ssl" is false: cluster.nodes asks for TLS/],
    [{ cluster: { nodes: ["redis://a:1"] }, tls: { servername: "a" } }, /"tls" .*TLS is off/],
    [{ sentinel: { name: "m", nodes: ["redis://a:1/2"] } }, /"sentinel.nodes" .*option "database"/],
    [{ sentinel: { name: "m", nodes: ["a:1"], user: "u" } }, /"sentinel.password" is undefined/],
    [{ servers: [] }, /"servers" is an array: give at least one/],
    [{ servers: ["redis://a/1"], database: 2 }, /"database" is 2: the servers name another one/],
    [{ servers: ["a:1"], port: 2 }, /"port" is 2: /],
    [{ url: "redis://a", tls: { servername: "a" } }, /"tls" .*TLS is off: write rediss:\/\//],
    [{ host: "a", ssl: false, tls: { servername: "a" } }, /"tls" .*TLS is off/],
    [{ url: "redis://a", user: "sekret" }, /"user" is given/],
  ];
  for (const [options, message] of wrong) {
    test(`is refused: ${JSON.stringify(options)}`, () => {
      assert.throws(() => redis(options), { name: "OptionError", message });
    });
  }
});

test("redis: a password that is not encoded opens the connection", async () => {
  const server = await startRedis({ password: "a/b?c#d@e:f%" });
  const store = redis({ url: `redis://:a/b?c#d@e:f%@127.0.0.1:${server.port}/2` });
  assert.equal(await store.read("key"), undefined);
  await store.close();
  await server.stop();
});
