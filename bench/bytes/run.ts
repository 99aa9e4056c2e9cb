// npm run bench:bytes [-- --only redis,postgres]: what a session takes in each store, as coatcheck writes it.
// docs/capacity.md reckons with it.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { table } from "../report.ts";
import { KINDS, type KindName, measure, SIZES, type Size } from "./life.ts";
import { type Place, type PlaceName, places } from "./places.ts";

const { values: options } = parseArgs({
  options: {
    only: { type: "string" },
    count: { type: "string", default: "50000" },
    out: { type: "string", default: new URL("../results", import.meta.url).pathname },
  },
});

const COUNT = Number(options.count);

interface Measured {
  date: string;
  /** Of the database. */
  version: string;
  count: number;
  /** Bytes for one session. */
  each: Record<Size, Record<KindName, number>>;
}

/** The last run of each. */
export type StoreBytes = Record<PlaceName, Measured>;

const file = `${options.out}/bytes.json`;
const results = (existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {}) as StoreBytes;
const names = Object.keys(places) as PlaceName[];
for (const name of names) {
  if (options.only !== undefined && !options.only.split(",").includes(name)) continue;
  const place = await places[name]();
  results[name] = { date: new Date().toISOString(), version: place.version, count: COUNT, each: await eachIn(place) };
  await place.stop();
}
mkdirSync(options.out, { recursive: true });
writeFileSync(file, `${JSON.stringify(results, undefined, 2)}\n`);
writeFileSync(`${options.out}/bytes.md`, markdown());
console.log(`\n${markdown()}`);

async function eachIn(place: Place): Promise<Measured["each"]> {
  const each = {} as Measured["each"];
  for (const size of Object.keys(SIZES) as Size[]) {
    const bytes = {} as Record<KindName, number>;
    for (const kind of Object.keys(KINDS) as KindName[]) {
      bytes[kind] = await measure(place, COUNT, size, kind);
      console.log(`${place.version}, ${size}, ${KINDS[kind].title}: ${bytes[kind].toFixed(0)}`);
    }
    each[size] = bytes;
  }
  return each;
}

function markdown(): string {
  const measured = names.flatMap((name) => results[name] ?? []);
  const rows = measured.flatMap(({ version, each }) =>
    Object.entries(each).map(([size, bytes]) => [version, size, ...Object.values(bytes).map((n) => n.toFixed(0))]),
  );
  return [
    "# What a session takes in a store",
    "",
    `${measured.map(({ date, version, count }) => `${version}: ${date.slice(0, 10)}, ${count.toLocaleString("en")} sessions`).join("; ")}.`,
    "",
    "Bytes for each: key, expiry and indexes with it, and the room that the database keeps free between sessions. Redis: `used_memory`. " +
      "PostgreSQL: `pg_total_relation_size`. MariaDB: `data_length + index_length`. SQLite, which is what `file` keeps, too: the " +
      "database's file. Logs don't count. 300 bytes and 1 KB are a session's data as JSON. Sealed is the default; with owners, each " +
      "session has one of its own.",
    "",
    "Churn: each session is changed eight times, ends, and another takes its place, in no order. PostgreSQL vacuums whenever a fifth " +
      "of the sessions has changed, as it does by itself with its default settings.",
    "",
    ...table(["", "", ...Object.values(KINDS).map(({ title }) => title)], rows),
  ].join("\n");
}
