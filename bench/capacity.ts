// node bench/capacity.ts: computes the tables of docs/capacity.md from results/bench.json, and writes them there. A model:
// what is measured and what is assumed stands in that page.
import { readFileSync, writeFileSync } from "node:fs";
import { table } from "./report.ts";
import type { Results } from "./results.ts";
import type { ScenarioName } from "./scenarios.ts";

/** What users do. A visit of 20 minutes has 40 requests, of which one begins the session. */
const REQUESTS_A_MINUTE = 2;
const MIX: Record<ScenarioName, number> = { read: 0.775, change: 0.2, new: 0.025 };
/** Who has left is still there for the idle timeout, as long as a visit. */
const SESSIONS_A_USER = 2;
/** Of a CPU, at the busiest hour. The rest is for what fails and for what surprises. */
const UTILIZATION = 0.5;
/** Of Redis or a database that is not to be lost with its machine. */
const COPIES = 2;
const NODE_GIB = 16;
/** The nodes of a Cluster take so many times a lone server's CPU, as bench:scale measures it: fewer commands come at once. */
const CLUSTER = 1.5;
/** US dollars a month: the lowest and the highest price. */
const CPU_PRICE = [15, 45] as const;
const MEMORY_PRICE = [4, 18] as const;
const DISK_PRICE = [0.08, 0.25] as const;
const HOURS = 730;
const GIB = 2 ** 30;

interface Model {
  name: string;
  /** The row of the benchmark whose CPU times count. */
  id: string;
  /** Bytes of a session of 1 KB in the database. */
  bytes: number;
  memory?: true;
}

const MODELS: readonly Model[] = [
  { name: "`sealedCookie`", id: "coatcheck-node+cookie", bytes: 0 },
  { name: "`redis`", id: "coatcheck-node+redis", bytes: 1_173, memory: true },
  { name: "`cached(redis)`", id: "coatcheck-node+cached", bytes: 1_173, memory: true },
  { name: "`postgres`", id: "coatcheck-express+postgres", bytes: 1_241 },
  { name: "`mysql`", id: "coatcheck-express+mysql", bytes: 1_904 },
];

/** Azure's services are paid by what they are asked for. */
const COSMOS = { read: 1, change: 1 + 11, new: 7, dollarsPerUnitHour: 0.008 / 100, dollarsPerGib: 0.25 };
const TABLE = { read: 1, change: 2, new: 1, dollarsPerMillion: 0.036, dollarsPerGib: 0.045 };

const { rows, date } = JSON.parse(readFileSync(new URL("results/bench.json", import.meta.url), "utf8")) as Results;

const page = new URL("../docs/capacity.md", import.meta.url);
const text = readFileSync(page, "utf8");
const computed = [1e6, 1e8].flatMap((users) => [
  `### ${users.toLocaleString("en")} users at the same time`,
  "",
  `${Math.round(requestsASecond(users)).toLocaleString("en")} requests a second, ${(users * SESSIONS_A_USER).toLocaleString("en")} sessions.`,
  "",
  ...table(
    ["store", "CPUs for sessions in the servers", "CPUs of the store", "data", "nodes", "dollars a month"],
    [...MODELS.flatMap((model) => line(model, users)), ...services(users)],
  ),
]);
writeFileSync(
  page,
  text.replace(/(?<=<!-- table -->\n).*?(?=<!-- \/table -->)/s, () =>
    [`By the run of ${date.slice(0, 10)}.`, "", ...computed, ""].join("\n"),
  ),
);

function requestsASecond(users: number): number {
  return (users * REQUESTS_A_MINUTE) / 60;
}

function mixed(of: (scenario: ScenarioName) => number): number {
  return (Object.keys(MIX) as ScenarioName[]).reduce((sum, scenario) => sum + MIX[scenario] * of(scenario), 0);
}

function line({ name, id, bytes, memory }: Model, users: number): string[][] {
  const cells = rows.find((row) => row.id === id)?.cells;
  if (cells === undefined) return [];
  const cpus = (microseconds: number) => (requestsASecond(users) * microseconds) / 1e6 / UTILIZATION;
  const server = cpus(mixed((scenario) => Math.max(cells[scenario]!.added.median, 0)));
  const alone = cpus(mixed((scenario) => cells[scenario]!.database?.median ?? 0));
  const store = memory && alone > 1 ? alone * CLUSTER : alone;
  const gib = (users * SESSIONS_A_USER * bytes) / GIB;
  // A node of Redis uses one CPU for commands, and half of its memory is left free for copying and growth.
  const nodes = memory ? Math.max(Math.ceil(store), Math.ceil((gib * 2) / NODE_GIB)) : Math.ceil(store / 16);
  const dollars = (i: 0 | 1) =>
    server * CPU_PRICE[i] +
    COPIES *
      (memory ? nodes * (CPU_PRICE[i] + NODE_GIB * MEMORY_PRICE[i]) : store * CPU_PRICE[i] + gib * 3 * DISK_PRICE[i]);
  return [
    [
      name,
      rounded(server),
      bytes === 0 ? "none" : rounded(store),
      bytes === 0 ? "none" : size(gib),
      bytes === 0 ? "none" : `${nodes} × ${COPIES}`,
      `${money(dollars(0))} to ${money(dollars(1))}`,
    ],
  ];
}

function services(users: number): string[][] {
  const rate = requestsASecond(users);
  const gib = (users * SESSIONS_A_USER * 1_400) / GIB;
  // Provisioned for the busiest second, at the utilization of everything else; or paid for the mean, at half of it.
  const units = rate * mixed((scenario) => COSMOS[scenario]);
  const cosmos = (share: number) => units * share * COSMOS.dollarsPerUnitHour * HOURS + gib * COSMOS.dollarsPerGib;
  const calls = rate * mixed((scenario) => TABLE[scenario]);
  const tables = (share: number) =>
    ((calls * share * 3600 * HOURS) / 1e6) * TABLE.dollarsPerMillion + gib * TABLE.dollarsPerGib;
  return [
    [
      "`cosmos`",
      "not measured",
      `${rounded(units)} RU/s`,
      size(gib),
      `${Math.ceil(units / 10_000)} partitions`,
      range(cosmos),
    ],
    [
      "`azureTable`",
      "not measured",
      `${rounded(calls)} calls/s`,
      size(gib),
      `${Math.ceil(calls / 20_000)} accounts`,
      range(tables),
    ],
  ];
}

function range(dollars: (share: number) => number): string {
  return `${money(dollars(0.5))} to ${money(dollars(1 / UTILIZATION))}`;
}

/** Two digits; a model is not better than that. */
function rounded(value: number): string {
  return value < 1 ? "under 1" : Number(value.toPrecision(2)).toLocaleString("en");
}

function size(gib: number): string {
  return `${rounded(gib)} GiB`;
}

function money(dollars: number): string {
  return `$${Number(dollars.toPrecision(2)).toLocaleString("en")}`;
}
