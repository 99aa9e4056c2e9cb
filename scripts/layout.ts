// The layout of src/: what each folder is for, what it may import, and the map of it in CONTRIBUTING.md.
//   node scripts/layout.ts    writes the map

import { globSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const SRC = join(ROOT, "src");

/** A folder of `src/` (its name ends in a slash), or a file of the public face. */
export interface Part {
  name: string;
  /** One sentence for the map. Files have theirs in their first line. */
  about?: string;
  /** The parts that it may import. */
  imports: readonly string[];
}

const BASE = ["store.ts", "errors.ts", "redaction/"];
const RECORDS = ["records/", "resilience/", "cookies/", "events.ts", "util/", ...BASE];

/** From the top down: a part may only import parts below it. */
export const PARTS: readonly Part[] = [
  {
    name: "adapters/express-session/",
    about: "A drop-in for express-session, on any store for it and on coatcheck's own.",
    imports: ["adapters/", "index.ts", ...RECORDS],
  },
  {
    name: "cli/",
    about: "The command `coatcheck`: a file for each of its commands.",
    imports: ["console/", "index.ts", "config/", "compose/", "stores/", "util/", ...BASE],
  },
  {
    name: "console/page/",
    about: "The console's page: Vite builds it for browsers, and no server runs it.",
    imports: ["console/protocol.ts"],
  },
  {
    name: "console/",
    about: "The web console: what each server counts, what all of them report, and the requests of the page.",
    imports: ["index.ts", "management/", "request/csrf.ts", ...RECORDS],
  },
  {
    name: "adapters/",
    about: "One framework each, thin: open the session, hold the response back, commit, send.",
    imports: ["index.ts", "records/cipher.ts", "errors.ts", "util/"],
  },
  {
    name: "telemetry/",
    about: "What happens, for Prometheus, OpenTelemetry and logs.",
    imports: ["index.ts", "util/"],
  },
  {
    name: "config/",
    about: "Options from a JSON file or from the <sessionState> of a web.config.",
    imports: ["index.ts", "options.ts", "compose/", "stores/", "util/", ...BASE],
  },
  {
    name: "conformance/",
    about: "The test kit that every store passes, ours and yours.",
    imports: ["index.ts", "store.ts", "util/"],
  },
  {
    name: "index.ts",
    imports: [
      "sessions.ts",
      "options.ts",
      "session.ts",
      "legacy/source.ts",
      "management/",
      "request/",
      "owners/",
      "commit/",
      ...RECORDS,
    ],
  },
  {
    name: "sessions.ts",
    imports: [
      "options.ts",
      "session.ts",
      "live/",
      "management/",
      "request/",
      "owners/",
      "takeover/",
      "commit/",
      "locking/",
      ...RECORDS,
      "stores/memory/",
    ],
  },
  { name: "options.ts", imports: ["session.ts", "legacy/source.ts", "owners/", "commit/", "locking/", ...RECORDS] },
  {
    name: "management/",
    about: "All sessions of an application: list, count, revoke, sweep.",
    imports: ["owners/", ...RECORDS],
  },
  {
    name: "live/",
    about: "Sessions of open connections: watched, shown as they are now, opened again for each message.",
    imports: ["session.ts", "request/", "commit/", ...RECORDS],
  },
  {
    name: "request/",
    about: "One request's session: opened from its cookies, read and changed, committed.",
    imports: ["session.ts", "takeover/", "owners/", "commit/", "locking/", ...RECORDS],
  },
  {
    name: "takeover/",
    about: "Sessions of other packages become ours, once, and their copies are kept up to date.",
    imports: ["legacy/source.ts", "commit/", "locking/", ...RECORDS],
  },
  { name: "session.ts", imports: ["util/"] },
  {
    name: "owners/",
    about: "The sessions of one owner: how many there may be, and the security stamp that ends them.",
    imports: ["commit/", ...RECORDS],
  },
  {
    name: "commit/",
    about: "Getting changes into the store: merge, queue, create, update, regenerate.",
    imports: ["locking/", ...RECORDS],
  },
  {
    name: "locking/",
    about: "Exclusive mode: the lease on a session, the queue for it, waking those who wait.",
    imports: RECORDS,
  },
  {
    name: "legacy/",
    about: "The sessions of other packages: found, read, written and ended.",
    imports: ["stores/shared/", "cookies/", "util/", ...BASE],
  },
  {
    name: "records/",
    about: "A session as stored bytes: format, values, compression, encryption, expiry.",
    imports: RECORDS,
  },
  {
    name: "resilience/",
    about: "A store that fails: time limits, retries, the circuit breaker, lost answers.",
    imports: ["events.ts", "util/", ...BASE],
  },
  {
    name: "cookies/",
    about: "What the browser holds: the ticket, its cookie, revision cookies.",
    imports: ["events.ts", "util/", ...BASE],
  },
  {
    name: "compose/",
    about: "Stores made of stores, a folder each.",
    imports: ["stores/", "util/", ...BASE],
  },
  {
    name: "stores/",
    about: "One store each, a folder each, all of the same skeleton; what stores share lies in shared/.",
    imports: ["util/", ...BASE],
  },
  { name: "events.ts", imports: BASE },
  {
    name: "util/",
    about: "Knows nothing of sessions: durations, timers, queues.",
    imports: ["errors.ts", "redaction/"],
  },
  { name: "store.ts", imports: ["errors.ts"] },
  { name: "errors.ts", imports: ["redaction/"] },
  { name: "redaction/", about: "Credentials stay out of messages, and out of the causes of errors.", imports: [] },
];

/** All files of `src/`, by their path in it. */
export const files: readonly string[] = globSync("**/*.{ts,tsx}", { cwd: SRC }).sort();

/** The part that a file belongs to, or undefined. */
export function partOf(file: string): Part | undefined {
  return PARTS.find(({ name }) => (name.endsWith("/") ? file.startsWith(name) : file === name));
}

/** The files of ours that a file imports, for values or for types only. */
export function importsOf(file: string): string[] {
  const text = readFileSync(join(SRC, file), "utf8");
  const found = text.matchAll(/^(?:import|export) [^;]*?\bfrom "(\.[^"]+\.tsx?)"|\bimport\("(\.[^"]+\.tsx?)"\)/gm);
  return [...found].map(([, fixed, late]) => normalize(join(dirname(file), (fixed ?? late)!)));
}

/** What a file says of itself in its first line, or undefined. */
export function firstLineOf(file: string): string | undefined {
  return /^(?:#!.*\n)?\/\/ (\S.*)\n\n/.exec(readFileSync(join(SRC, file), "utf8"))?.[1];
}

const START = "<!-- The map: written by `npm run map` from the first line of each file. -->";
const END = "<!-- The end of the map. -->";
const PAGE = join(ROOT, "CONTRIBUTING.md");

/** The map as it should stand in CONTRIBUTING.md. */
export function map(): string {
  const lines = ["src/"];
  const rows = (folder: string, depth: number, own: string[]) => {
    for (const file of own.filter((file) => !file.slice(folder.length).includes("/"))) {
      lines.push(row(depth, file.slice(folder.length), firstLineOf(file) ?? ""));
    }
    const below = new Set(own.map((file) => /^[^/]+\//.exec(file.slice(folder.length))?.[0]));
    for (const name of below) {
      if (name === undefined) continue;
      lines.push(row(depth, name, PARTS.find((part) => part.name === folder + name)?.about ?? ""));
      rows(folder + name, depth + 1, own.filter((file) => file.startsWith(folder + name))); // biome-ignore format: one line
    }
  };
  const inOrder = PARTS.flatMap(({ name }) => files.filter((file) => partOf(file)?.name === name));
  rows("", 1, inOrder);
  return `${START}\n\n\`\`\`\n${lines.join("\n")}\n\`\`\`\n\n${END}`;
}

function row(depth: number, name: string, about: string): string {
  return `${`${"  ".repeat(depth)}${name}`.padEnd(32)} ${about}`.trimEnd();
}

/** The map as it stands in CONTRIBUTING.md, or undefined. */
export function mapInPage(): string | undefined {
  const page = readFileSync(PAGE, "utf8");
  const start = page.indexOf(START);
  return start === -1 ? undefined : page.slice(start, page.indexOf(END) + END.length);
}

if (import.meta.main) {
  const old = mapInPage();
  if (old === undefined) throw new Error(`CONTRIBUTING.md: the line ${START} is missing`);
  writeFileSync(
    PAGE,
    readFileSync(PAGE, "utf8").replace(old, () => map()),
  );
}
