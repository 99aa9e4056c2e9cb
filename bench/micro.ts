// node bench/micro.ts [word]: times the pieces of a request one by one, or those whose name contains the word.
import { Bench } from "tinybench";
import { replay } from "../src/commit/merge.ts";
import { sessionCookie } from "../src/cookies/session-cookie.ts";
import { ticketSigner } from "../src/cookies/ticket.ts";
import { cipher } from "../src/records/cipher.ts";
import { SessionRecord } from "../src/records/record.ts";
import { decode, encode } from "../src/records/value-codec.ts";
import { codePaths } from "./code-paths.ts";
import { SECRET } from "./contender.ts";
import { OTHER_COOKIES, tenKeys } from "./session-data.ts";

/** Runs of a piece for one look at the clock, which takes longer than the smallest piece. */
const TIMES = 50;

const bench = new Bench({ time: 400, warmupTime: 300 });
const word = process.argv[2];

function piece(name: string, run: () => unknown): void {
  if (word !== undefined && !name.includes(word)) return;
  bench.add(name, () => {
    for (let i = 0; i < TIMES; i++) kept = run();
  });
}

function codePath(name: string, run: () => Promise<unknown>): void {
  if (word !== undefined && !name.includes(word)) return;
  bench.add(name, async () => {
    for (let i = 0; i < TIMES; i++) kept = await run();
  });
}

/** The last result of a piece. It is kept so that V8 cannot optimize the work away. */
export let kept: unknown;

const signer = ticketSigner([SECRET]);
const ticket = signer.issue();
const forged = `${ticket.text.slice(0, -1)}${ticket.text.endsWith("A") ? "B" : "A"}`;
piece("ticket: issue", () => signer.issue());
piece("ticket: verify", () => signer.verify(ticket.text));
piece("ticket: reject a forged one", () => signer.verify(forged));

const cookie = sessionCookie({ secure: false });
const header = [...OTHER_COOKIES, "a=1", `sid=${ticket.text}`, "b=2", "c=3"].join("; ");
piece("cookie: find among six", () => cookie.find(header, false));
piece("cookie: issue", () => cookie.issue(ticket.text, false));

const fields = tenKeys();
const texts = Object.entries(fields).map(([key, value]) => ({ key, after: encode(key, value) }));
const meta = {
  createdAt: Date.now(),
  renewedAt: undefined,
  sealedUntil: undefined,
  revision: undefined,
  lease: undefined,
  terms: undefined,
  owner: undefined,
};
const record = SessionRecord.write(meta, undefined, texts);
piece("codec: encode a number", () => encode("views", 41));
piece("codec: encode the cart", () => encode("cart", fields.cart));
piece("codec: decode a text", () => decode(record.text("user")!));
piece("codec: decode the cart", () => decode(record.text("cart")!));
piece(`record: read (${record.bytes.length} bytes)`, () => SessionRecord.read(record.bytes));
piece("record: text of one value", () => record.text("user"));
piece("record: write, one key changed", () => SessionRecord.write(meta, record, [{ key: "views", after: "42" }]));
piece("record: write, ten keys", () => SessionRecord.write(meta, undefined, texts));

const rules = {
  resolvers: new Map([["views", "counter"]] as const),
  now: Date.now,
  initial: new Map<string, string>(),
  maxSize: 1 << 20,
};
const older = SessionRecord.write(meta, record, [{ key: "views", after: "7" }]);
const setKey = { cleared: false, keys: [{ key: "theme", before: '"dark"', after: '"light"', updates: undefined }] };
const counted = { cleared: false, keys: [{ key: "views", before: "0", after: "1", updates: undefined }] };
const update = (n: unknown) => (n as number) + 1;
const updated = { cleared: false, keys: [{ key: "views", before: "0", after: "1", updates: [update] }] };
piece("merge: one key, no conflict", () => replay(setKey, older, rules));
piece("merge: a counter in conflict", () => replay(counted, older, rules));
piece("merge: an update in conflict", () => replay(updated, older, rules));

for (const encryption of ["server", "ticket"] as const) {
  const ciphers = cipher(encryption, [SECRET]);
  const sealed = ciphers.seal(record.bytes, ticket);
  piece(`cipher "${encryption}": seal`, () => ciphers.seal(record.bytes, ticket));
  piece(`cipher "${encryption}": open`, () => ciphers.open(sealed, ticket));
}

for (const [name, run] of Object.entries(codePaths)) codePath(name, run);

await bench.run();
console.log("µs each: the fastest sample, and the median");
for (const { name, result } of bench.tasks) {
  if (result.state !== "completed") throw new Error(`${name}: ${result.state}`, { cause: result });
  const { p50, min } = result.latency;
  const each = (milliseconds: number) => ((milliseconds * 1000) / TIMES).toFixed(2).padStart(8);
  console.log(`${each(min)} ${each(p50)}  ${name}`);
}
process.exit();
