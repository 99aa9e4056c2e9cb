// The applications of the projects: the same, in each kind of module.

/** What every application does: a session that comes back, and a store whose package is not installed. */
const BODY = `
async function main() {
  const sessions = createSessions({ store: memory(), secret: "0123456789abcdef0123456789abcdef" });
  const one = await sessions.open(null);
  one.set("items", ["coat"]);
  const [cookie] = await one.commit();
  const two = await sessions.open(cookie.split(";")[0]);
  if (two.get("items")[0] !== "coat" || two instanceof StoreError) throw new Error("the coat is lost");
  const store = redis({ url: "redis://127.0.0.1:1" });
  await store.read("k").catch((error) => console.log(error.message));
  await store.close();
  console.log("the coat is back");
}
`;

const NAMES: Record<string, string> = {
  coatcheck: "createSessions, StoreError",
  "coatcheck/memory": "memory",
  "coatcheck/redis": "redis",
};

/** Entry points whose packages are optional. A bundle has them without any of those. */
const OPTIONAL = ["postgres", "mysql", "mssql", "sqlite", "file", "cosmos", "azure-table", "config", "express-store"];

export const COMMON_JS = `${Object.entries(NAMES)
  .map(([path, names]) => `const { ${names} } = require("${path}");`)
  .join("\n")}${BODY}main();\n`;

export const ES_MODULE = `${Object.entries(NAMES)
  .map(([path, names]) => `import { ${names} } from "${path}";`)
  .join("\n")}${BODY}await main();\n`;

/** For bundlers: every store, and none of the packages. */
export const WITH_ALL_STORES = `${OPTIONAL.map((path, index) => `import * as all${index} from "coatcheck/${path}";`).join("\n")}
${ES_MODULE}
if ([${OPTIONAL.map((_, index) => `all${index}`)}].some((one) => Object.keys(one).length === 0)) throw new Error("lost");
`;

/** What the applications print. */
export const EXPECTED = /needs the package "redis": npm install redis\s+the coat is back/;

/** A test for Jest, in CommonJS. */
export const JEST = `const { createSessions, OptionError, UnstorableValueError } = require("coatcheck");
const { memory } = require("coatcheck/memory");
const { session } = require("coatcheck/fetch");
${testBody("")}`;

/** The same for ts-jest. */
export const TS_JEST = `import { createSessions, OptionError, UnstorableValueError } from "coatcheck";
import { memory } from "coatcheck/memory";
import { session } from "coatcheck/fetch";
declare const test: (name: string, run: () => Promise<void>) => void;
declare const expect: any;
${testBody(": any")}`;

/** The same for Vitest. */
export const VITEST = `import { expect, test } from "vitest";
import { createSessions, OptionError, UnstorableValueError } from "coatcheck";
import { memory } from "coatcheck/memory";
import { session } from "coatcheck/fetch";
${testBody(": any")}`;

function testBody(any: string): string {
  return `
const make = () => {
  const { inProcess, ...store }${any} = memory();
  return createSessions${any && "<any>"}({ store, secret: "0123456789abcdef0123456789abcdef", initial: { cart: [] } });
};
test("values of every kind come back", async () => {
  const sessions = make();
  const values${any} = {
    list: [1, { a: [2] }], date: new Date(5), map: new Map([["a", new Set([1])]]), big: BigInt(5), bytes: Buffer.from("abc"),
  };
  const one = await sessions.open(null);
  for (const [key, value] of Object.entries(values)) one.set(key, value);
  const cookie${any} = (await one.commit())[0];
  const two = await sessions.open(cookie.split(";")[0]);
  for (const [key, value] of Object.entries(values)) expect(two.get(key)).toEqual(value);
  expect(two.get("list")).toStrictEqual(values.list);
  two.get("cart").push("hat");
  await two.commit();
  const three = await sessions.open(cookie.split(";")[0]);
  expect(three.get("cart")).toEqual(["hat"]);
});
test("errors have their classes", async () => {
  expect(() => createSessions({ idleTimout: 1 }${any && " as any"})).toThrow(OptionError);
  const one = await make().open(null);
  one.set("f", () => {});
  await expect(one.commit()).rejects.toThrow(UnstorableValueError);
});
test("a request passes the adapter", async () => {
  const handle = session(make())((_request${any}, session${any}) => {
    session.set("n", (session.get("n") ?? 0) + 1);
    return new Response(String(session.get("n")));
  });
  expect(await (await handle(new Request("https://shop.example/"))).text()).toBe("1");
});
`;
}

/** A strict application, with Express. */
export const TYPESCRIPT = `import { createSessions, StoreError, type Session, type SessionStore } from "coatcheck";
import { session as onExpress } from "coatcheck/express";
import { session as onFetch } from "coatcheck/fetch";
import { memory } from "coatcheck/memory";
import { redis, type RedisOptions } from "coatcheck/redis";
import { d1 } from "coatcheck/d1";
import express = require("express");

interface Cart { user?: string; items: string[]; views: number }
declare module "coatcheck" { interface SessionData extends Cart {} }
const store: SessionStore = memory({ maxSessions: 1000 });
const sessions = createSessions<Cart>({ store, secret: "0123456789abcdef0123456789abcdef", merge: { views: "counter" } });
export const app = express();
app.use(onExpress(sessions));
app.post("/cart", (req, res) => {
  req.session.data.items.push("hat");
  const views: number = req.session.update("views", (n) => (n ?? 0) + 1);
  res.send(String(views));
});
export const handler = onFetch(sessions)((_request, session) => new Response(session.data.user ?? "nobody"));
export const others = [(options: RedisOptions) => redis(options), (database: Parameters<typeof d1>[0]) => d1(database)];
export const codeOf = (error: unknown) => (error instanceof StoreError ? error.code : "");
async function main(): Promise<void> {
  const one: Session<Cart> = await sessions.open(null);
  one.set("items", ["coat"]);
  const [cookie] = await one.commit();
  const two = await sessions.open(cookie!.split(";")[0]);
  if (two.data.items[0] !== "coat" || two instanceof StoreError) throw new Error("the coat is lost");
  console.log("the coat is back");
}
void main();
// @ts-expect-error no such option
() => createSessions<Cart>({ idleTimout: "20m" });
// @ts-expect-error a key that the interface does not have
(session: Session<Cart>) => session.data.itms;
`;
