// node bench/capacity.ts: computes the tables of docs/capacity.md and draws results/capacity.svg.
import { readFileSync, writeFileSync } from "node:fs";
import type { StoreBytes } from "./bytes/run.ts";
import { capacityPlot, type Need } from "./capacity-plot.ts";
import { table } from "./report.ts";
import type { Results } from "./results.ts";
import type { ScenarioName } from "./scenarios.ts";

/** A visit of 20 minutes has 40 requests, and the first of them begins the session. */
const REQUESTS_A_MINUTE = 2;
const MIX: Record<ScenarioName, number> = { read: 0.775, change: 0.2, new: 0.025 };
/** The session of a user who has left stays for the idle timeout, which is as long as a visit. */
const SESSIONS_A_USER = 2;
/** The share of a CPU in use at the busiest hour. The rest is a reserve for failures and peaks. */
const UTILIZATION = 0.5;
/** Redis or a database with a standby, so that the loss of a machine loses no data. */
const REPLICAS = 2;
const NODE_GIB = 16;
/** CPU of a Cluster's nodes against that of a single server, measured by bench:scale: a node gets smaller batches of commands. */
const CLUSTER = 1.5;
/** US dollars a month: the lowest and the highest price. */
const CPU_PRICE = [15, 45] as const;
const MEMORY_PRICE = [4, 18] as const;
const DISK_PRICE = [0.08, 0.25] as const;
const HOURS = 730;
const GIB = 2 ** 30;

/** A store. docs/capacity.md says what of the model is measured (results/bench.json and bytes.json) and what is assumed. */
interface Model {
  name: string;
  /** The row of the benchmark that the CPU times come from. */
  id: string;
  /** Bytes of a session of 1 KB in the database. */
  bytes: number;
  memory?: true;
}

const bytes = resultsOf<StoreBytes>("bytes");
/** Bytes of a session of 1 KB in the store, after churn. */
const bytesIn = (store: keyof StoreBytes) => bytes[store].each["1 KB"].churned;

const MODELS: readonly Model[] = [
  { name: "`sealedCookie`", id: "coatcheck-node+cookie", bytes: 0 },
  { name: "`redis`", id: "coatcheck-node+redis", bytes: bytesIn("redis"), memory: true },
  { name: "`cached(redis)`", id: "coatcheck-node+cached", bytes: bytesIn("redis"), memory: true },
  { name: "`postgres`", id: "coatcheck-express+postgres", bytes: bytesIn("postgres") },
  { name: "`mysql`", id: "coatcheck-express+mysql", bytes: bytesIn("mysql") },
];

/** Azure bills its services by requests. The bytes of a session of 1 KB are an estimate there, not measured. */
const SERVICE_BYTES = 1_400;
const COSMOS = { read: 1, change: 1 + 11, new: 7, dollarsPerUnitHour: 0.008 / 100, dollarsPerGib: 0.25 };
const TABLE = { read: 1, change: 2, new: 1, dollarsPerMillion: 0.036, dollarsPerGib: 0.045 };

/** Billed for the mean (half of the busiest hour), or for the busiest hour at the utilization of everything else. */
const SHARES = [0.5, 1 / UTILIZATION] as const;
const { rows, date } = resultsOf<Results>("bench");

const page = new URL("../docs/capacity.md", import.meta.url);
const text = readFileSync(page, "utf8");
const computed = [1e6, 1e8].flatMap((users) => [
  `### ${users.toLocaleString("en")} concurrent users`,
  "",
  `${Math.round(requestsASecond(users)).toLocaleString("en")} requests a second, ${(users * SESSIONS_A_USER).toLocaleString("en")} sessions.`,
  "",
  ...table(
    ["store", "CPUs for sessions in the servers", "CPUs of the store", "data", "nodes", "dollars a month"],
    needs(users).map(cells),
  ),
]);
writeFileSync(
  page,
  text.replace(/(?<=<!-- table -->\n).*?(?=<!-- \/table -->)/s, () =>
    [`By the run of ${date.slice(0, 10)}.`, "", ...computed, ""].join("\n"),
  ),
);
writeFileSync(new URL("results/capacity.svg", import.meta.url), capacityPlot(steps(1e5, 1e9).flatMap(needs)));

function resultsOf<Of>(name: string): Of {
  return JSON.parse(readFileSync(new URL(`results/${name}.json`, import.meta.url), "utf8")) as Of;
}

/** Ten values for each power of ten, both ends included. */
function steps(from: number, to: number): number[] {
  const count = Math.round(Math.log10(to / from) * 10);
  return Array.from({ length: count + 1 }, (_, i) => from * 10 ** (i / 10));
}

function needs(users: number): Need[] {
  return [...MODELS.flatMap((model) => need(model, users)), cosmosNeed(users), tableNeed(users)];
}

function requestsASecond(users: number): number {
  return (users * REQUESTS_A_MINUTE) / 60;
}

function mixed(of: (scenario: ScenarioName) => number): number {
  return (Object.keys(MIX) as ScenarioName[]).reduce((sum, scenario) => sum + MIX[scenario] * of(scenario), 0);
}

function need({ name, id, bytes, memory }: Model, users: number): Need[] {
  const cells = rows.find((row) => row.id === id)?.cells;
  if (cells === undefined) return [];
  const cpus = (microseconds: number) => (requestsASecond(users) * microseconds) / 1e6 / UTILIZATION;
  const servers = cpus(mixed((scenario) => Math.max(cells[scenario]!.added.median, 0)));
  const alone = cpus(mixed((scenario) => cells[scenario]!.database?.median ?? 0));
  const store = memory && alone > 1 ? alone * CLUSTER : alone;
  const gib = (users * SESSIONS_A_USER * bytes) / GIB;
  // A node of Redis uses one CPU for commands, and leaves half of its memory free for snapshots and growth.
  const nodes = memory ? Math.max(Math.ceil(store), Math.ceil((gib * 2) / NODE_GIB)) : Math.ceil(store / 16);
  const dollars = (i: 0 | 1) =>
    servers * CPU_PRICE[i] +
    REPLICAS *
      (memory ? nodes * (CPU_PRICE[i] + NODE_GIB * MEMORY_PRICE[i]) : store * CPU_PRICE[i] + gib * 3 * DISK_PRICE[i]);
  const stored = bytes > 0;
  return [
    {
      ...{ name, users, servers, gib, nodes },
      store: stored ? rounded(store) : "none",
      nodesText: stored ? `${nodes} × ${REPLICAS}` : "none",
      dollars: [dollars(0), dollars(1)],
    },
  ];
}

function cosmosNeed(users: number): Need {
  const gib = (users * SESSIONS_A_USER * SERVICE_BYTES) / GIB;
  const units = requestsASecond(users) * mixed((scenario) => COSMOS[scenario]);
  const dollars = (share: number) => units * share * COSMOS.dollarsPerUnitHour * HOURS + gib * COSMOS.dollarsPerGib;
  const nodes = Math.ceil(units / 10_000);
  return {
    ...{ name: "`cosmos`", users, gib, nodes },
    store: `${rounded(units)} RU/s`,
    nodesText: `${nodes} partitions`,
    dollars: [dollars(SHARES[0]), dollars(SHARES[1])],
  };
}

function tableNeed(users: number): Need {
  const gib = (users * SESSIONS_A_USER * SERVICE_BYTES) / GIB;
  const calls = requestsASecond(users) * mixed((scenario) => TABLE[scenario]);
  const dollars = (share: number) =>
    ((calls * share * 3600 * HOURS) / 1e6) * TABLE.dollarsPerMillion + gib * TABLE.dollarsPerGib;
  const nodes = Math.ceil(calls / 20_000);
  return {
    ...{ name: "`azureTable`", users, gib, nodes },
    store: `${rounded(calls)} calls/s`,
    nodesText: `${nodes} accounts`,
    dollars: [dollars(SHARES[0]), dollars(SHARES[1])],
  };
}

function cells({ name, servers, store, gib, nodesText, dollars: [low, high] }: Need): string[] {
  return [
    name,
    servers === undefined ? "not measured" : rounded(servers),
    store,
    gib === 0 ? "none" : `${rounded(gib)} GiB`,
    nodesText,
    `${money(low)} to ${money(high)}`,
  ];
}

/** Two significant digits: the model is no more precise. */
function rounded(value: number): string {
  return value < 1 ? "under 1" : Number(value.toPrecision(2)).toLocaleString("en");
}

function money(dollars: number): string {
  return `$${Number(dollars.toPrecision(2)).toLocaleString("en")}`;
}
