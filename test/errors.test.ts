// Tests of the errors: what their messages show.

import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { Description, OptionError, StoreError, toStoreError } from "../src/errors.ts";
import { redacted } from "../src/redaction/texts.ts";

test("an OptionError prints the value", () => {
  for (const value of [
    "host:6379",
    "",
    "1 minute",
    "./sessions",
    "/var/lib/shop1/sessions/data",
    "eu-west-1.example",
  ]) {
    assert.equal(new OptionError("it", value, "fix it.").message, `coatcheck: option "it" is "${value}": fix it.`);
  }
});

test("an OptionError does not print a value that may hold a credential, whatever the option", () => {
  const values = [
    "user:sekret@host",
    "redis://:sekret@host",
    "rediss//sekret@host:6380",
    "host:6380,password=sekret,ssl=True",
    "AccountEndpoint=https://a.example;AccountKey=sekret",
    "Server=a;Pwd = sekret",
    "https://a.example/?sv=1&sig=sekret",
    "C2y6yDjf5R0ob0N8A7Cgv30VRDJIwEhLMsekret==",
    "0123456789abcdef0123456789abcdefsekret",
  ];
  for (const value of values) {
    for (const option of ["host", "endpoint", "path", "mode"]) {
      const { message } = new OptionError(option, value, "fix it.");
      assert.equal(message, `coatcheck: option "${option}" is (not shown): fix it.`);
    }
  }
});

test("the error of a host with several addresses says why each of them failed", () => {
  const refused = (address: string) => new Error(`connect ECONNREFUSED ${address}:5432`);
  const cause = new AggregateError([refused("::1"), refused("127.0.0.1"), refused("127.0.0.1")]);
  assert.equal(
    toStoreError("PostgreSQL", "read", cause).message,
    "coatcheck: PostgreSQL failed to read: connect ECONNREFUSED ::1:5432, connect ECONNREFUSED 127.0.0.1:5432",
  );
});

test("an OptionError does not print the value of an option that is a credential, whatever it looks like", () => {
  for (const option of ["accessKey", "secret", "sentinel.password", "connectionString", "sasToken", "client"]) {
    assert.ok(new OptionError(option, "sekret", "fix it.").message.includes(`"${option}" is (not shown): fix it.`));
    assert.ok(new OptionError(option, 12_345, "fix it.").message.includes(`"${option}" is a number: fix it.`));
    assert.ok(new OptionError(option, undefined, "fix it.").message.includes(`"${option}" is undefined: fix it.`));
  }
  assert.equal(
    new OptionError("secret", new Description("too short"), "fix it.").message,
    'coatcheck: option "secret" is too short: fix it.',
  );
});

test("an OptionError of several problems lists them", () => {
  const error = new OptionError(["one is wrong.", "another is wrong."]);
  assert.equal(error.message, "coatcheck:\n  - one is wrong.\n  - another is wrong.");
  assert.deepEqual(error.problems, ["one is wrong.", "another is wrong."]);
});

test("what a client's error quotes of a credential is removed, from its message, its cause and what caused that", () => {
  const invalid = (() => {
    try {
      return new URL("mysql//user:sekret@h");
    } catch (error) {
      return error as Error;
    }
  })();
  const cause = new Error("getaddrinfo ENOTFOUND user:sekret@h", { cause: invalid });
  Object.assign(cause, { hostname: "user:sekret@h", config: "Server=a;Password=sekret", attempts: 3 });
  const several = new AggregateError([cause, new Error("postgres://u:sekret@h failed")], "key=sekret");
  for (const error of [toStoreError("MySQL", "read", several), new StoreError("it is down", cause)]) {
    assert.equal(inspect(error, { depth: 10 }).includes("sekret"), false, inspect(error, { depth: 10 }));
  }
  assert.equal(cause.message, "getaddrinfo ENOTFOUND …@h");
  assert.equal((cause as unknown as { attempts: number }).attempts, 3);
  const frozen = Object.freeze(new Error("password=sekret"));
  assert.equal(toStoreError("Redis", "read", frozen).message, "coatcheck: Redis failed to read: password=…");
});

test("paths and plain addresses in a client's error stay", () => {
  for (const text of [
    "connect ECONNREFUSED 127.0.0.1:6379",
    "getaddrinfo ENOTFOUND shop.redis.cache.windows.net",
    "Access denied for user 'root'@'localhost' (using password: YES)",
    "Cannot find module '/srv/node_modules/.pnpm/pg@8.1.0/node_modules/pg'",
    "file:///srv/node_modules/.pnpm/pg@8.1.0/index.js:3",
    'duplicate key value violates unique constraint "sessions_pkey"',
    "redis://h:6379",
  ]) {
    assert.equal(redacted(text), text);
  }
  const { stack } = new Error("at it");
  const cause = Object.assign(new Error("password=sekret"), { stack: `Error: password=sekret${stack!.slice(12)}` });
  toStoreError("Redis", "read", cause);
  assert.equal(cause.stack, `Error: password=…${stack!.slice(12)}`);
});

test("a long text without a credential is searched in time that follows its length", () => {
  for (const text of ["a".repeat(300_000), "a:".repeat(100_000), "password".repeat(30_000), "x=".repeat(100_000)]) {
    assert.equal(redacted(text), text);
  }
});
