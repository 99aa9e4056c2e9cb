// npm run bench:bytes [-- --only redis,postgres]: measures the bytes that a session takes in each store.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { chosen, count, folder, readArguments } from "../arguments.ts";
import { table } from "../report.ts";
import { type Environment, type EnvironmentName, environments } from "./environments.ts";
import { KINDS, type KindName, measure, SIZES, type Size } from "./life.ts";

const names = Object.keys(environments) as EnvironmentName[];

const USAGE = `npm run bench:bytes [-- options]
  --only a,b    of ${names.join(", ")}; keeps the recorded figures of the others
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
  /** The version of the database. */
  version: string;
  count: number;
  /** Bytes for one session. */
  each: Record<Size, Record<KindName, number>>;
}

/** The last run of each store. docs/capacity.md is computed from it. */
export type StoreBytes = Record<EnvironmentName, Measured>;

const file = `${options.out}/bytes.json`;
const results = (existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {}) as StoreBytes;
for (const name of options.only) {
  const environment = await environments[name]();
  results[name] = {
    date: new Date().toISOString(),
    version: environment.version,
    count: options.count,
    each: await eachIn(environment),
  };
  await environment.stop();
}
writeFileSync(file, `${JSON.stringify(results, undefined, 2)}\n`);
writeFileSync(`${options.out}/bytes.md`, markdown());
console.log(`\n${markdown()}`);

async function eachIn(environment: Environment): Promise<Measured["each"]> {
  const each = {} as Measured["each"];
  for (const size of Object.keys(SIZES) as Size[]) {
    const bytes = {} as Record<KindName, number>;
    for (const kind of Object.keys(KINDS) as KindName[]) {
      bytes[kind] = await measure(environment, options.count, size, kind);
      console.log(`${environment.version}, ${size}, ${KINDS[kind].title}: ${bytes[kind].toFixed(0)}`);
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
    "Bytes of each session, with key, expiry, indexes, and the room that the database keeps free between sessions. Redis: `used_memory`. " +
      "PostgreSQL: `pg_total_relation_size`. MariaDB: `data_length + index_length`. SQLite, which `file` uses too: the size of the " +
      "database's file. Logs do not count. 300 bytes and 1 KB are the session's data as JSON. Sealed is the default. With owners, each " +
      "session has a different one.",
    "",
    "Churn: each session is changed eight times and ends, and another one begins, in random order. PostgreSQL vacuums whenever a fifth " +
      "of the sessions has changed, as it does by itself with its default settings.",
    "",
    ...table(["", "", ...Object.values(KINDS).map(({ title }) => title)], rows),
  ].join("\n");
}
