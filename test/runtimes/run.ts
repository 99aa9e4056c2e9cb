// Runs the library in each runtime, and prints what works where: node test/runtimes/run.ts [--write] [RUNTIME …]
// With --write, the table of docs/runtimes.md is written, too.

import { execFile } from "node:child_process";
import { get } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";
import { startPostgres } from "../servers/postgres.ts";
import { startRedis } from "../servers/redis.ts";
import { printTable, writeTable } from "../support/doc-table.ts";
import type { CaseResult } from "./app/app.ts";
import { prepareApp } from "./prepare.ts";
import { type Runtime, runtimes } from "./runtimes.ts";

const PARTS = ["entry points", "core", "sealed cookie", "memory", "file", "sqlite", "redis", "postgres", "d1", "durable-object", "durable-object with shards"]; // biome-ignore format: one line
const ADAPTERS = ["fetch", "hono", "h3", "elysia"];
/** Servers and files of one runtime do not disturb those of another one. Most of the time a case waits for an expiry. */
const RUNTIMES_TOGETHER = 2;

/** A row's outcome in one runtime. */
interface Outcome {
  passed: number;
  failures: string[];
  skipped: string[];
}

const write = process.argv.includes("--write");
const all = runtimes();
const given = process.argv.slice(2).filter((name) => name !== "--write");
const unknown = given.find((name) => all[name] === undefined);
if (unknown !== undefined) {
  console.error(`There is no runtime "${unknown}". There are ${Object.keys(all).join(", ")}.`);
  process.exit(1);
}
const names = given.length > 0 ? given : Object.keys(all);

const [redis, postgres] = await Promise.all([startRedis(), startPostgres()]);
const env = { REDIS_URL: redis.url, POSTGRES_URL: postgres.url };
console.log("Packing and installing the library …");
const app = prepareApp();

const columns = new Map<string, { title: string; rows: Map<string, Outcome | string> }>();
// The one that takes longest begins.
const waiting = names.toSorted((one, other) => Number(other === "workerd") - Number(one === "workerd"));
await Promise.all(
  Array.from({ length: RUNTIMES_TOGETHER }, async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) await tryRuntime(name);
  }),
);
await Promise.all([redis.stop(), postgres.stop()]);

const rows = [...PARTS.map((name) => [name, name]), ...ADAPTERS.map((name) => [`adapter ${name}`, `adapter: ${name}`])];
const shown = names.map((name) => columns.get(name)!);
const table = [
  ["", ...shown.map(({ title }) => title)],
  ...rows.map(([key, title]) => [title!, ...shown.map((column) => cell(column.rows.get(key!)))]),
];
printTable(table);
let failed = 0;
for (const { title, rows } of shown) {
  for (const [row, outcome] of rows) {
    if (typeof outcome === "string") continue;
    for (const reason of outcome.skipped) console.log(`${title}, ${row}: skipped: ${reason}`);
    for (const failure of outcome.failures) console.log(`\n${title}, ${row}: ${failure}`);
    failed += outcome.failures.length;
  }
}
if (write) writeTable(fileURLToPath(new URL("../../docs/runtimes.md", import.meta.url)), "runtimes", table);
console.log(failed === 0 ? "All cases passed." : `${failed} cases failed.`);
process.exit(failed === 0 ? 0 : 1);

async function tryRuntime(name: string): Promise<void> {
  const rows = new Map<string, Outcome | string>();
  let runtime: Runtime;
  try {
    runtime = all[name]!();
  } catch (error) {
    console.log(`${name} can't be installed, so nothing is said of it: ${(error as Error).message}`);
    columns.set(name, { title: `${name} (not run)`, rows });
    return;
  }
  const title = `${runtime.name} ${runtime.version()}`;
  columns.set(name, { title, rows });
  console.log(`${title} …`);
  const running = await runtime.start(app, env);
  try {
    // One after the other: the suite has requests that must overtake others.
    for (const adapter of ADAPTERS) {
      const row = `adapter ${adapter}`;
      rows.set(row, runtime.without[row] ?? (await runSuite(running.url, adapter)));
    }
    // The cases of one part follow each other. Those of another part have other data.
    const runOne = async (part: string) => rows.set(part, runtime.without[part] ?? (await runPart(running.url, part)));
    if (runtime.oneByOne) for (const part of PARTS) await runOne(part);
    else await Promise.all(PARTS.map(runOne));
  } finally {
    await running.stop();
  }
  console.log(`${title}: done`);
}

async function runPart(url: string, part: string): Promise<Outcome> {
  const outcome: Outcome = { passed: 0, failures: [], skipped: [] };
  const at = `${url}/parts/${encodeURIComponent(part)}`;
  const listed = await ask(at);
  if (listed.status !== 200) return { ...outcome, failures: [`can't be loaded: ${listed.text}`] };
  for (const [number, name] of (JSON.parse(listed.text) as string[]).entries()) {
    const answer = await ask(`${at}/${number}`).catch((error) => ({ status: 0, text: inspect(error) }));
    const result: CaseResult =
      answer.status === 200 ? JSON.parse(answer.text) : { name, outcome: "failed", reason: answer.text };
    if (result.outcome === "passed") outcome.passed++;
    else if (result.outcome === "skipped") outcome.skipped.push(`${name}: ${result.reason}`);
    else outcome.failures.push(`${name}\n${result.reason}`);
  }
  return outcome;
}

/** On a connection of its own: workerd may close a kept one just when the next request is on its way. */
function ask(url: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false }, async (response) => {
      try {
        let text = "";
        for await (const chunk of response.setEncoding("utf8")) text += chunk;
        resolve({ status: response.statusCode!, text });
      } catch (error) {
        reject(error);
      }
    }).on("error", reject);
  });
}

/** The suite runs on this machine's Node, and talks to the application over HTTP. */
function runSuite(url: string, adapter: string): Promise<Outcome> {
  const file = join(import.meta.dirname, "adapter-suite.ts");
  const env = { ...process.env, SUITE_NAME: adapter, SUITE_URL: `${url}/adapters/${adapter}`, NODE_TEST_CONTEXT: "" };
  return new Promise((resolve) => {
    execFile(process.execPath, ["--test-reporter=tap", file], { env, maxBuffer: 2 ** 26 }, (_error, stdout, stderr) => {
      const passed = [...stdout.matchAll(/^ +ok \d+ - (?!.*# SKIP)/gm)].length;
      const skipped = [...stdout.matchAll(/^ +ok \d+ - (.*# SKIP.*)/gm)].map(([, name]) => name!);
      const failures = stdout.split(/^(?= +(?:not )?ok )/m).filter((part) => /^ +not ok/.test(part));
      if (passed === 0 && failures.length === 0) failures.push(`the suite does not run:\n${stdout}\n${stderr}`);
      resolve({ passed, skipped, failures });
    });
  });
}

function cell(outcome: Outcome | string | undefined): string {
  if (outcome === undefined) return "not run";
  if (typeof outcome === "string") return "–";
  const { passed, failures, skipped } = outcome;
  const all = passed + failures.length + skipped.length;
  if (failures.length > 0) return `${failures.length} of ${all} fail`;
  return skipped.length > 0 ? `${passed} of ${all}` : String(passed);
}
