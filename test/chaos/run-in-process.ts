// Runs browsers and servers in one process over given stores, and checks what the browsers saw.

import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { SessionStore } from "../../src/index.ts";
import { Browser } from "./browser.ts";
import { type CheckResult, check } from "./checker/check.ts";
import type { Anomaly } from "./checker/violation.ts";
import { runClients } from "./clients.ts";
import { randomFrom } from "./random.ts";
import { type ChaosServer, chaosServer } from "./server.ts";
import { SECRETS } from "./session-data.ts";
import { settingsOf, type Workload } from "./workloads.ts";

const [OLD] = SECRETS;

/** Enough operations for each fault to show. */
const OPERATIONS = 1_000;
/** The same where some requests take seconds. */
const LONG_OPERATIONS = 150;

export interface Servers {
  /** Stops a server, and starts it again with these secrets. */
  restart(server: number, secret: readonly string[]): Promise<void>;
}

interface RunOptions {
  /** One for each server. */
  stores: readonly SessionStore[];
  /** Default: `"merge"`. */
  workload?: Workload;
  /** What happens after half of the operations. */
  event?: (servers: Servers) => Promise<void>;
}

/** Runs browsers and servers in this process. */
export async function run({ stores, workload = "merge", event }: RunOptions): Promise<CheckResult> {
  const { idleTimeout } = settingsOf(workload);
  const limits = idleTimeout === undefined ? {} : { idleTimeout };
  const wanted = idleTimeout === undefined ? OPERATIONS : LONG_OPERATIONS;
  const ports: number[] = [];
  const running: ChaosServer[] = [];

  async function start(server: number, secret: readonly string[]): Promise<void> {
    running[server] = chaosServer(stores[server]!, { ...limits, secret });
    const listening = running[server].server.listen(ports[server] ?? 0, "127.0.0.1");
    await once(listening, "listening");
    ports[server] = (listening.address() as AddressInfo).port;
  }

  async function restart(server: number, secret: readonly string[]): Promise<void> {
    await running[server]!.stop();
    await start(server, secret);
  }

  for (const server of stores.keys()) await start(server, [OLD]);
  let happening = event === undefined ? Promise.resolve() : undefined;
  let hasHappened = event === undefined;
  const goesOn = (operations: number) => {
    if (operations > wanted / 2 && happening === undefined) {
      happening = event!({ restart }).finally(() => {
        hasHappened = true;
      });
    }
    return operations < wanted || !hasHappened;
  };
  const operations = await runClients({ seed: 1, workload, ports, group: 0, browsers: 8 }, goesOn);
  await happening;
  const witness = new Browser("witness", ports, randomFrom(0), () => {});
  operations.push(await witness.ask({ kind: "census", mode: "none", think: 0, save: false }));
  for (const server of running) await server.close();
  return check({ operations, ...limits });
}

export function onBoth(store: SessionStore): SessionStore[] {
  return [store, store];
}

export function found({ violations }: CheckResult, anomaly: Anomaly): void {
  assert.ok(
    violations.some((violation) => violation.anomaly === anomaly),
    summary(violations),
  );
}

export function foundNothing({ violations }: CheckResult): void {
  assert.equal(summary(violations), "");
}

function summary(violations: CheckResult["violations"]): string {
  return violations.map(({ anomaly, message }) => `${anomaly}: ${message}`).join("\n");
}
