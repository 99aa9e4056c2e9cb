// npm run bench:bytes [-- --only redis,postgres]: what a session takes in each store, as coatcheck writes it.
// docs/capacity.md reckons with it.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { chosen, count, folder, readArguments } from "../arguments.ts";
import { table } from "../report.ts";
import { KINDS, type KindName, measure, SIZES, type Size } from "./life.ts";
import { type Place, type PlaceName, places } from "./places.ts";

const names = Object.keys(places) as PlaceName[];

const USAGE = `npm run bench:bytes [-- options]
  --only a,b    of ${names.join(", ")}; the figures of the others stay as they are
  --count n     sessions in a store; default: 50000
  --out folder  default: bench/results`;

const options = readArguments(USAGE, () => {
  const { values } = parseArgs({
    options: { only: { type: "string" }, count: { type: "string" }, out: { type: "string" } },
  });
  return {
    only: chosen("only", values.only, names),
    count: count("count", values.count, 50_000),
    out: folder(values.out),
  };
});

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
for (const name of options.only) {
  const place = await places[name]();
  results[name] = {
    date: new Date().toISOString(),
    version: place.version,
    count: options.count,
    each: await eachIn(place),
  };
  await place.stop();
}
writeFileSync(file, `${JSON.stringify(results, undefined, 2)}\n`);
writeFileSync(`${options.out}/bytes.md`, markdown());
console.log(`\n${markdown()}`);

async function eachIn(place: Place): Promise<Measured["each"]> {
  const each = {} as Measured["each"];
  for (const size of Object.keys(SIZES) as Size[]) {
    const bytes = {} as Record<KindName, number>;
    for (const kind of Object.keys(KINDS) as KindName[]) {
      bytes[kind] = await measure(place, options.count, size, kind);
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
