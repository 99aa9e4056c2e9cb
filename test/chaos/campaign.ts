// Runs browsers against a farm while faults are injected, and checks what they saw.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { tempDir } from "../servers/process.ts";
import { Browser } from "./browser.ts";
import { type CheckResult, check } from "./checker/check.ts";
import type { ClientOptions } from "./clients.ts";
import { environments } from "./environments.ts";
import { type Farm, startFarm } from "./farm.ts";
import { BRIEF_FAULTS, injectFaults, pick, serverFaults, wrongClocks } from "./faults.ts";
import type { History, Operation } from "./history.ts";
import { randomFrom } from "./random.ts";
import { rotation } from "./rotation.ts";
import { settingsOf, type Workload } from "./workloads.ts";

export interface CampaignOptions {
  /** A name in `environments`. */
  store: string;
  workload: Workload;
  seed: number;
  /** The duration of requests and faults. A rotation of secrets may take longer. */
  seconds: number;
  /** The number of browsers in each client process. Default: 25. */
  browsers?: number;
  /** Called with each fault when it begins. */
  onFault?: (fault: string) => void;
}

export interface CampaignResult extends CheckResult {
  history: History;
  /** How often each kind of fault happened. */
  faults: Map<string, number>;
  /** The output of the servers. */
  output: string;
}

const SERVERS = 3;
const CLIENT_PROCESSES = 2;

/** Milliseconds without new faults at the end. */
const QUIET_MS = 1_500;

/** Milliseconds after which a revocation is visible on every server, where servers cache sessions. */
const VISIBLE_AFTER_MS = 3_000;

/** Milliseconds after which sessions end where secrets are rotated: the old secret is given up after as long. */
const ROTATED_SESSION_MS = 3_000;

/** Resolves with the violations, after `seconds` of requests and faults. */
export async function campaign(options: CampaignOptions): Promise<CampaignResult> {
  const { store, workload, seed, seconds, browsers = 25, onFault = () => {} } = options;
  const { isCached = false, isRotated = false, idleTimeout } = settingsOf(workload);
  const limits = {
    ...(idleTimeout !== undefined && { idleTimeout }),
    ...(isRotated && { idleTimeout: ROTATED_SESSION_MS, absoluteTimeout: ROTATED_SESSION_MS }),
  };
  const environment = await environments[store]!();
  const { store: name, options: storeOptions, optionsOf, standby, inProcess = false, lossy, stale } = environment;
  const faults = new Map<string, number>();
  const count = (fault: string) => {
    faults.set(fault, (faults.get(fault) ?? 0) + 1);
    onFault(fault);
  };
  const servers = inProcess ? 1 : SERVERS;
  const secrets = rotation(servers, ROTATED_SESSION_MS);
  const over = new AbortController();
  const clients: Clients[] = [];
  let farm: Farm | undefined;
  try {
    // A store inside the process goes by the clock of the process.
    const clocks = inProcess ? [0] : wrongClocks(servers, randomFrom(seed, -3));
    farm = await startFarm(clocks, (server) => ({
      store: name,
      options: optionsOf?.(server) ?? storeOptions,
      ...(standby && { standby }),
      ...limits,
      secret: secrets.of(server),
      isCached,
    }));
    for (let group = 0; group < CLIENT_PROCESSES; group++) {
      clients.push(startClients({ seed, workload, ports: farm.ports, group, browsers }));
    }
    const ofServers = serverFaults(farm, { inProcess, isRotated, clocks });
    const allowed = idleTimeout === undefined ? undefined : inProcess ? [] : BRIEF_FAULTS;
    const injected = Promise.all([
      Promise.all([
        sleep(Math.max(seconds * 1_000 - QUIET_MS, 0)),
        isRotated && secrets.rotate(farm, randomFrom(seed, -4), count),
      ]).finally(() => over.abort()),
      injectFaults(
        pick(ofServers, allowed),
        { random: randomFrom(seed, -1), pause: [100, 900], over: over.signal },
        count,
      ),
      injectFaults(
        pick(environment.faults, allowed),
        { random: randomFrom(seed, -2), pause: [300, 1_800], over: over.signal },
        count,
      ),
    ]);
    await Promise.race([injected, farm.crashed]);
    await sleep(QUIET_MS);
    const stopped = Promise.all(clients.map((each) => each.stop()));
    const operations = (await Promise.race([stopped, farm.crashed])).flat();
    operations.push(...(await witness(farm)));
    const history = {
      operations,
      ...limits,
      ...(lossy && { lossy }),
      ...(stale && { stale }),
      ...(isCached && { visibleAfter: VISIBLE_AFTER_MS }),
    };
    return { ...check(history), history, faults, output: farm.output() };
  } finally {
    over.abort();
    for (const each of clients) each.kill();
    await farm?.end();
    await environment.stop();
  }
}

/** A process full of browsers. */
interface Clients {
  /** Lets the last requests finish. Resolves with all operations. */
  stop(): Promise<Operation[]>;
  kill(): void;
}

function startClients(options: ClientOptions): Clients {
  const file = join(tempDir("clients"), "history");
  const process: ChildProcess = fork(new URL("./client-process.ts", import.meta.url), [
    JSON.stringify({ ...options, file }),
  ]);
  const ended = once(process, "exit");
  return {
    async stop() {
      if (process.connected) process.send("stop");
      const [code] = await ended;
      if (code !== 0) throw new Error(`a client process exited with ${code}`);
      return readFileSync(file, "utf8")
        .split("\n")
        .filter(Boolean)
        .map((text) => {
          const operation = JSON.parse(text) as Operation;
          // JSON turns Infinity into null.
          return { ...operation, end: operation.end ?? Infinity };
        });
    },
    kill: () => void process.kill("SIGKILL"),
  };
}

const WITNESS_ATTEMPTS = 10;

/** After the last fault, every server writes again, and the sessions in the store are listed. */
async function witness({ ports, output }: Farm): Promise<Operation[]> {
  const operations: Operation[] = [];
  const requests = [
    ...ports.map((port) => ({ kind: "append", mode: "merge", ports: [port] }) as const),
    { kind: "census", mode: "none", ports } as const,
  ];
  for (const [number, { kind, mode, ports }] of requests.entries()) {
    const browser = new Browser(`witness-${number}`, ports, randomFrom(0), (operation) => operations.push(operation));
    for (let attempt = 1; ; attempt++) {
      const { outcome, reason } = await browser.ask({ kind, mode, think: 0, save: false });
      if (outcome === "done") break;
      if (attempt === WITNESS_ATTEMPTS) throw new Error(`after the last fault, ${kind} fails: ${reason}\n${output()}`);
      await sleep(500);
    }
  }
  return operations;
}
