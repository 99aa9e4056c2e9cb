// node bench/micro.ts [word]: the pieces of a request one by one; with a word, those whose name has it.
import { Bench } from "tinybench";
import { replay } from "../src/changes.ts";
import { cipher } from "../src/cipher.ts";
import { decode, encode } from "../src/codec.ts";
import { cookieJar } from "../src/cookie.ts";
import { SessionRecord } from "../src/record.ts";
import { ticketOffice } from "../src/ticket.ts";
import { SECRET } from "./contender.ts";
import { OTHER_COOKIES, tenKeys } from "./session-data.ts";
import { ways } from "./ways.ts";

/** A piece runs so often for one look at the clock, which alone takes longer than the smallest of them. */
const TIMES = 50;

const bench = new Bench({ time: 400, warmupTime: 300 });
const word = process.argv[2];

function piece(name: string, run: () => unknown): void {
  if (word !== undefined && !name.includes(word)) return;
  bench.add(name, () => {
    for (let i = 0; i < TIMES; i++) kept = run();
  });
}

function way(name: string, run: () => Promise<unknown>): void {
  if (word !== undefined && !name.includes(word)) return;
  bench.add(name, async () => {
    for (let i = 0; i < TIMES; i++) kept = await run();
  });
}

/** What a piece gives is kept until the next, so that V8 can't leave the work out. */
export let kept: unknown;

const office = ticketOffice([SECRET]);
const ticket = office.issue();
const forged = `${ticket.text.slice(0, -1)}${ticket.text.endsWith("A") ? "B" : "A"}`;
piece("ticket: issue", () => office.issue());
piece("ticket: check", () => office.check(ticket.text));
piece("ticket: turn a forged one away", () => office.check(forged));

const jar = cookieJar({ secure: false });
const header = [...OTHER_COOKIES, "a=1", `sid=${ticket.text}`, "b=2", "c=3"].join("; ");
piece("cookie: find among six", () => jar.find(header, false));
piece("cookie: issue", () => jar.issue(ticket.text, false));

const fields = tenKeys();
const texts = Object.entries(fields).map(([key, value]) => ({ key, after: encode(key, value) }));
const meta = { createdAt: Date.now(), renewedAt: undefined, revision: undefined, lease: undefined, owner: undefined };
const record = SessionRecord.write(meta, undefined, texts);
piece("codec: encode a number", () => encode("views", 41));
piece("codec: encode the cart", () => encode("cart", fields.cart));
piece("codec: decode a text", () => decode(record.text("user")!));
piece("codec: decode the cart", () => decode(record.text("cart")!));
piece(`record: read (${record.bytes.length} bytes)`, () => SessionRecord.read(record.bytes));
piece("record: one value's text", () => record.text("user"));
piece("record: write, one key changed", () => SessionRecord.write(meta, record, [{ key: "views", after: "42" }]));
piece("record: write, ten keys", () => SessionRecord.write(meta, undefined, texts));

const rules = { resolvers: new Map([["views", "counter"]] as const), initial: new Map<string, string>() };
const older = SessionRecord.write(meta, record, [{ key: "views", after: "7" }]);
const setKey = { cleared: false, keys: [{ key: "theme", before: '"dark"', after: '"light"', updates: undefined }] };
const counted = { cleared: false, keys: [{ key: "views", before: "0", after: "1", updates: undefined }] };
const update = (n: unknown) => (n as number) + 1;
const updated = { cleared: false, keys: [{ key: "views", before: "0", after: "1", updates: [update] }] };
piece("merge: one key, no conflict", () => replay(setKey, older, rules));
piece("merge: a counter in conflict", () => replay(counted, older, rules));
piece("merge: an update in conflict", () => replay(updated, older, rules));

for (const encryption of ["server", "ticket"] as const) {
  const seal = cipher(encryption, [SECRET]);
  const sealed = seal.seal(record.bytes, ticket);
  piece(`cipher "${encryption}": seal`, () => seal.seal(record.bytes, ticket));
  piece(`cipher "${encryption}": open`, () => seal.open(sealed, ticket));
}

for (const [name, run] of Object.entries(ways)) way(name, run);

await bench.run();
console.log("µs each: the fastest sample of many, and the median");
for (const { name, result } of bench.tasks) {
  if (result.state !== "completed") throw new Error(`${name}: ${result.state}`, { cause: result });
  const { p50, min } = result.latency;
  const each = (milliseconds: number) => ((milliseconds * 1000) / TIMES).toFixed(2).padStart(8);
  console.log(`${each(min)} ${each(p50)}  ${name}`);
}
process.exit();
