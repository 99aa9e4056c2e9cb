// The store for SQL Server: its statements, and what it makes of answers.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { describe, test } from "node:test";
import { inspect } from "node:util";
import sql from "mssql";
import { OptionError, StoreError } from "../../../src/errors.ts";
import { authentication } from "../../../src/stores/mssql/authentication.ts";
import { type MssqlOptions, type MssqlPool, mssql, schema } from "../../../src/stores/mssql/index.ts";
import { freePort } from "../../servers/process.ts";

// The statements are parsed as Transact-SQL, and the store has a pool with prepared answers.

describe("statements", () => {
  for (const names of [{}, { table: "shop]] sessions'; DROP TABLE x; --", schema: 'we"b' }]) {
    test(`are Transact-SQL, for the table ${names.table ?? "of the default name"}`, async () => {
      const { pool, requests } = poolAnswering((text) => (text.includes("AS [now]") ? [{ now: "1700000000000" }] : []));
      const store = mssql({ pool, createTable: true, ...names });
      await callEveryMethod(store);
      assert.ok(requests.length >= 10, "each method sends a statement");
      for (const { text, inputs } of requests) {
        assert.deepEqual(syntaxErrors(text), [], text);
        const used = new Set(text.match(/@\w+/g)?.map((name) => name.slice(1)));
        assert.deepEqual(
          [...used].sort(),
          [...inputs.keys()].sort(),
          `a statement has a value for each parameter: ${text}`,
        );
      }
    });
  }

  test("the parser refuses other SQL", () => {
    assert.notDeepEqual(syntaxErrors("DELETE FROM [t] WHERE [a] = @a LIMIT 5"), []);
    assert.notDeepEqual(syntaxErrors("INSERT INTO [t] ([a]) VALUES (@a) ON CONFLICT DO NOTHING"), []);
    assert.notDeepEqual(syntaxErrors(schema({ table: "x" }).replace("varbinary(255)", "varbinary(")), []);
  });

  test("bind values with the types of the columns", async () => {
    const { pool, requests } = poolAnswering(() => []);
    await mssql({ pool }).create("k", { value: new Uint8Array([1, 2]), expiresAt: 5_000_000_000_000, owner: "ann" });
    const inputs = requests[0]!.inputs;
    assert.deepEqual(inputs.get("key"), { type: sql.VarBinary(255), value: Buffer.from("k") });
    assert.deepEqual(inputs.get("owner"), { type: sql.VarBinary(1024), value: Buffer.from("ann") });
    assert.deepEqual(inputs.get("value"), { type: sql.VarBinary(sql.MAX), value: Buffer.from([1, 2]) });
    assert.deepEqual(inputs.get("expires_at"), { type: sql.BigInt, value: 5_000_000_000_000 });
  });
});

describe("answers", () => {
  test("rows become sessions", async () => {
    const row = {
      key: Buffer.from("k"),
      version: "281474976710655",
      expires_at: "1700000000000",
      owner: Buffer.from("ann"),
      value: Buffer.from("coat"),
    };
    const { pool } = poolAnswering(() => [row]);
    const store = mssql({ pool });
    const session = { value: Buffer.from("coat"), expiresAt: 1_700_000_000_000, owner: "ann" };
    assert.deepEqual(await store.read("k"), { ...session, version: 281_474_976_710_655 });
    assert.deepEqual(await store.claimExpired!(Date.now(), 5), [{ key: "k", ...session }]);
  });

  test("create: a duplicate key means that the session exists", async () => {
    const { pool } = poolAnswering(() => {
      throw Object.assign(new Error("Violation of PRIMARY KEY constraint"), { number: 2627 });
    });
    assert.equal(
      await mssql({ pool }).create("k", { value: Buffer.from("x"), expiresAt: Date.now() + 1000 }),
      "exists",
    );
  });

  test("update: counts the version up, and reads the row if it updated none", async () => {
    const session = { value: Buffer.from("x"), expiresAt: Date.now() + 1000 };
    const updated = poolAnswering(() => [{ version: "8" }]);
    assert.equal(await mssql({ pool: updated.pool }).update("k", session, 7), 8);
    const gone = poolAnswering(() => []);
    assert.equal(await mssql({ pool: gone.pool }).update("k", session, 7), "gone");
    assert.equal(gone.requests.length, 2);
    const row = { key: Buffer.from("k"), version: "9", expires_at: "1", owner: null, value: Buffer.from("y") };
    const conflict = poolAnswering((text) => (text.includes("UPDATE") ? [] : [row]));
    assert.equal(await mssql({ pool: conflict.pool }).update("k", session, 7), "conflict");
  });

  test("a deadlock victim is run again", async () => {
    let times = 0;
    const { pool } = poolAnswering(() => {
      if (times++ < 2) throw Object.assign(new Error("deadlock victim"), { number: 1205 });
      return [{ version: "1" }];
    });
    assert.equal(await mssql({ pool }).touch("k", Date.now() + 1000), true);
  });

  test("an error that the server repeats with a general one is told by both", async () => {
    const { pool } = poolAnswering(() => {
      const first = Object.assign(new Error("CREATE TABLE permission denied in database 'shop'."), { number: 262 });
      const last = new Error("Could not create the table. See previous errors.");
      throw Object.assign(last, { number: 1750, precedingErrors: [first] });
    });
    await assert.rejects(mssql({ pool }).touch("k", 1), {
      message: /permission denied in database 'shop'\. Could not create/,
      applied: false,
    });
  });

  test("an error without a text of its own has the texts of those that it holds", async () => {
    const { pool } = poolAnswering(() => {
      const errors = [new Error("Security token could not be authenticated."), new Error("az login is needed.")];
      throw Object.assign(new Error(""), { name: "ConnectionError", originalError: new AggregateError(errors) });
    });
    await assert.rejects(mssql({ pool }).read("k"), {
      message: "coatcheck: SQL Server failed to read: Security token could not be authenticated. az login is needed.",
    });
  });

  test("a missing table is an error that says how to create it", async () => {
    const { pool } = poolAnswering(() => {
      throw Object.assign(new Error("Invalid object name 'coatcheck_sessions'."), { number: 208 });
    });
    await assert.rejects(mssql({ pool }).read("k"), /no table coatcheck_sessions.*createTable: true/);
  });
});

test("a pool of the application stays open", async () => {
  const { pool, events } = poolAnswering(() => []);
  const store = mssql({ pool });
  await store.read("k");
  await store.close();
  assert.deepEqual(events, ["connect"]);
  await assert.rejects(store.read("k"), /closed/);
});

test("an unreachable server is an error, with each option that names it", async () => {
  const port = await freePort();
  const connection = { port, options: { encrypt: false } };
  for (const options of [
    { connectionString: `Server=127.0.0.1,${port};Database=x;User Id=u;Password=p;Encrypt=false` },
    { server: "127.0.0.1", database: "x", connection },
    {
      server: "127.0.0.1",
      database: "x",
      connection,
      credential: { getToken: async () => ({ token: "t", expiresOnTimestamp: 0 }) },
    },
    { connection: { ...connection, server: "127.0.0.1", user: "u", password: "p" } },
  ]) {
    const store = mssql({ ...options, timeout: "2s" });
    await assert.rejects(
      store.read("k"),
      (error) => error instanceof StoreError && /ECONNREFUSED|[Cc]ould not connect/.test(error.message),
    );
    await store.close();
  }
});

test("signs in with Entra ID where the options ask for it, and otherwise as mssql does", () => {
  const identity = (clientId?: string) => ({
    type: "azure-active-directory-default",
    options: clientId === undefined ? {} : { clientId },
  });
  const credential = { getToken: async () => null };
  const server = "Server=tcp:x.database.windows.net,1433;Database=y";
  assert.deepEqual(authentication({ server: "x" }), identity());
  assert.deepEqual(authentication({ server: "x", credential }), { type: "token-credential", options: { credential } });
  for (const [text, expected] of [
    [`${server};User Id=u;Password=p`, undefined],
    [`${server};Authentication=Active Directory Password;User Id=u;Password=p`, undefined],
    [`${server};Authentication=Sql Password;User Id=u;Password=p`, undefined],
    [`${server};Authentication="Active Directory Default"`, identity()],
    [`authentication = active directory default ; ${server}`, identity()],
    [`${server};Authentication=Active Directory Managed Identity;User Id=some-id;Encrypt=True`, identity("some-id")],
  ] as const) {
    assert.deepEqual(authentication({ connectionString: text }), expected, text);
  }
});

test("an error of the options prints no password, also one that stands in the wrong place", () => {
  for (const options of [
    { connectionString: "Server=x;Authentication=Active Directory Interactive Password=sekret" },
    { connectionString: "Server=x;Authentication=Active Directory sekret" },
    { server: "x", connectionString: "Server=x;Password=sekret", pool: poolAnswering(() => []).pool },
    { table: "Password=sekret\0", server: "x" },
  ]) {
    assert.throws(
      () => mssql(options),
      (error) => error instanceof OptionError && !inspect(error).includes("sekret"),
    );
  }
});

test("wrong options are refused", () => {
  const { pool } = poolAnswering(() => []);
  const wrong: MssqlOptions[] = [
    {},
    { pool, server: "x" },
    { connection: { server: "x" }, credential: { getToken: async () => null } },
    { connectionString: "Server=x;Authentication=Active Directory Interactive" },
    { server: "x", table: "" },
    { server: "x", table: "a\0b" },
    { server: "x", schema: "x".repeat(200) },
  ];
  for (const options of wrong) assert.throws(() => mssql(options), OptionError);
});

/** A pool with prepared answers, and the requests that it received. */
function poolAnswering(answer: (text: string) => unknown[]) {
  const requests: { text: string; inputs: Map<string, { type: unknown; value: unknown }> }[] = [];
  const events: string[] = [];
  const pool: MssqlPool = {
    connect: async () => events.push("connect"),
    close: async () => events.push("close"),
    on: () => pool,
    off: () => pool,
    request() {
      const inputs = new Map();
      return {
        input: (name, type, value) => inputs.set(name, { type, value }),
        async query(text) {
          requests.push({ text, inputs });
          return { recordset: answer(text) };
        },
        cancel: () => {},
      };
    },
  };
  return { pool, requests, events };
}

async function callEveryMethod(store: ReturnType<typeof mssql>): Promise<void> {
  const session = { value: Buffer.from("x"), expiresAt: Date.now() + 1000, owner: "ann" };
  await Promise.all(Array.from({ length: 20 }, (_, index) => store.read(`key ${index}`)));
  await store.create("k", session);
  await store.update("k", session, 1);
  await store.delete("k");
  await store.delete("k", 1);
  await store.touch("k", Date.now());
  for await (const _ of store.list!({})) assert.fail();
  for await (const _ of store.list!({ owner: "ann" })) assert.fail();
  await store.claimExpired!(Date.now(), 10);
  assert.equal(await store.time!(), 1_700_000_000_000);
}

/** The errors that a parser of Transact-SQL finds. */
function syntaxErrors(text: string): string[] {
  const load = createRequire(import.meta.url);
  const { ANTLRInputStream, CommonTokenStream } = load("antlr4ts");
  const { TSqlLexer } = load("antlr4ts-sql/dist/src/grammar-output/tsql/TSqlLexer");
  const { TSqlParser } = load("antlr4ts-sql/dist/src/grammar-output/tsql/TSqlParser");
  const { CaseChangingStream } = load("antlr4ts-sql/dist/src/models/CaseChangingStream");
  const errors: string[] = [];
  const listener = {
    syntaxError: (_recognizer: unknown, _symbol: unknown, line: number, column: number, message: string) =>
      errors.push(`${line}:${column} ${message.slice(0, 80)}`),
  };
  const lexer = new TSqlLexer(new CaseChangingStream(new ANTLRInputStream(text), true));
  const parser = new TSqlParser(new CommonTokenStream(lexer));
  for (const recognizer of [lexer, parser]) {
    recognizer.removeErrorListeners();
    recognizer.addErrorListener(listener);
  }
  parser.tsql_file();
  return errors;
}
