import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { describe, test } from "node:test";
import sql from "mssql";
import { conformance } from "../../src/conformance/index.ts";
import { OptionError, StoreError } from "../../src/errors.ts";
import { type MssqlOptions, type MssqlPool, mssql, schema } from "../../src/stores/mssql.ts";
import { authentication } from "../../src/stores/sql/entra.ts";
import makeStore from "../fixtures/sql/mssql.ts";
import { freePort } from "../servers/process.ts";

// No SQL Server runs in these tests unless this names one. Without it, they check the T-SQL with a parser, and what the
// store makes of a server's answers.
const skip = process.env.COATCHECK_TEST_MSSQL === undefined && "COATCHECK_TEST_MSSQL names no server";

describe("conformance", { skip }, () => {
  for (const { name, run } of conformance(makeStore, {
    list: true,
    claimExpired: true,
    watch: false,
    processes: new URL("../fixtures/sql/mssql.ts", import.meta.url),
  })) {
    test(name, run);
  }
});

describe("statements", () => {
  for (const names of [{}, { table: "shop]] sessions'; DROP TABLE x; --", schema: 'we"b' }]) {
    test(`are Transact-SQL, in the table ${names.table ?? "by default"}`, async () => {
      const { pool, asked } = answering(() => ({ recordset: [], rowsAffected: [0] }));
      const store = mssql({ pool, createTable: true, ...names });
      await everyMethod(store);
      assert.ok(asked.length >= 10, "each method asks the server");
      for (const { text, inputs } of asked) {
        assert.deepEqual(syntaxErrors(text), [], text);
        const used = new Set(text.match(/@\w+/g)?.map((name) => name.slice(1)));
        assert.deepEqual([...used].sort(), [...inputs.keys()].sort(), `has a value for each parameter: ${text}`);
      }
    });
  }

  test("the parser refuses what is not Transact-SQL", () => {
    assert.notDeepEqual(syntaxErrors("DELETE FROM [t] WHERE [a] = @a LIMIT 5"), []);
    assert.notDeepEqual(syntaxErrors("INSERT INTO [t] ([a]) VALUES (@a) ON CONFLICT DO NOTHING"), []);
    assert.notDeepEqual(syntaxErrors(schema({ table: "x" }).replace("varbinary(255)", "varbinary(")), []);
  });

  test("bind values as the columns' types", async () => {
    const { pool, asked } = answering(() => ({ rowsAffected: [0, 1] }));
    await mssql({ pool }).create("k", { value: new Uint8Array([1, 2]), expiresAt: 5_000_000_000_000, owner: "ann" });
    const inputs = asked[0]!.inputs;
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
    const { pool } = answering(() => ({ recordset: [row], rowsAffected: [1] }));
    const store = mssql({ pool });
    const session = { value: Buffer.from("coat"), expiresAt: 1_700_000_000_000, owner: "ann" };
    assert.deepEqual(await store.read("k"), { ...session, version: 281_474_976_710_655 });
    assert.deepEqual(await store.claimExpired!(Date.now(), 5), [{ key: "k", ...session }]);
  });

  test("create: a key that is taken exists", async () => {
    const { pool } = answering(() => {
      throw Object.assign(new Error("Violation of PRIMARY KEY constraint"), { number: 2627 });
    });
    assert.equal(
      await mssql({ pool }).create("k", { value: Buffer.from("x"), expiresAt: Date.now() + 1000 }),
      "exists",
    );
  });

  test("update: counts up, and looks again when it met no row", async () => {
    const session = { value: Buffer.from("x"), expiresAt: Date.now() + 1000 };
    const met = answering(() => ({ rowsAffected: [1] }));
    assert.equal(await mssql({ pool: met.pool }).update("k", session, 7), 8);
    const gone = answering(() => ({ recordset: [], rowsAffected: [0] }));
    assert.equal(await mssql({ pool: gone.pool }).update("k", session, 7), "gone");
    assert.equal(gone.asked.length, 2);
    const row = { key: Buffer.from("k"), version: "9", expires_at: "1", owner: null, value: Buffer.from("y") };
    const conflict = answering((text) => ({ recordset: text.startsWith("SELECT") ? [row] : [], rowsAffected: [0] }));
    assert.equal(await mssql({ pool: conflict.pool }).update("k", session, 7), "conflict");
  });

  test("a deadlock is tried again", async () => {
    let times = 0;
    const { pool } = answering(() => {
      if (times++ < 2) throw Object.assign(new Error("deadlock victim"), { number: 1205 });
      return { rowsAffected: [1] };
    });
    assert.equal(await mssql({ pool }).touch("k", Date.now() + 1000), true);
  });

  test("a missing table is an error that says what to do", async () => {
    const { pool } = answering(() => {
      throw Object.assign(new Error("Invalid object name 'coatcheck_sessions'."), { number: 208 });
    });
    await assert.rejects(mssql({ pool }).read("k"), /no table coatcheck_sessions.*createTable: true/);
  });
});

test("a pool that was handed in stays open", async () => {
  const { pool, events } = answering(() => ({ recordset: [], rowsAffected: [0] }));
  const store = mssql({ pool });
  await store.read("k");
  await store.close();
  assert.deepEqual(events, ["connect"]);
  await assert.rejects(store.read("k"), /closed/);
});

test("a server that is not there is an error, by each way to name it", async () => {
  const port = await freePort();
  const connection = { port, options: { encrypt: false } };
  for (const options of [
    { connectionString: `Server=127.0.0.1,${port};Database=x;User Id=u;Password=p;Encrypt=false` },
    { server: "127.0.0.1", database: "x", connection },
    { server: "127.0.0.1", database: "x", connection, credential: { getToken: async () => ({ token: "t" }) } },
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

test("signs in with Entra ID where it is asked to, and else as the client does", () => {
  const identity = (clientId?: string) => ({
    type: "azure-active-directory-default",
    options: clientId === undefined ? {} : { clientId },
  });
  const credential = { getToken: async () => ({}) };
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

test("options that can't be meant are refused", () => {
  const { pool } = answering(() => ({ rowsAffected: [] }));
  const wrong: MssqlOptions[] = [
    {},
    { pool, server: "x" },
    { connection: { server: "x" }, credential: { getToken: async () => ({}) } },
    { connectionString: "Server=x;Authentication=Active Directory Interactive" },
    { server: "x", table: "" },
    { server: "x", table: "a\0b" },
    { server: "x", schema: "x".repeat(200) },
  ];
  for (const options of wrong) assert.throws(() => mssql(options), OptionError);
});

/** A pool whose server gives these answers, and what it was asked. */
function answering(answer: (text: string) => { recordset?: unknown[]; rowsAffected: number[] }) {
  const asked: { text: string; inputs: Map<string, { type: unknown; value: unknown }> }[] = [];
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
          asked.push({ text, inputs });
          return answer(text);
        },
      };
    },
  };
  return { pool, asked, events };
}

async function everyMethod(store: ReturnType<typeof mssql>): Promise<void> {
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
}

/** What a grammar of Transact-SQL has against a text. */
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
