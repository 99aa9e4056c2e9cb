// Browsers that send random requests.
import { setTimeout as sleep } from "node:timers/promises";
import { Browser } from "./browser.ts";
import { type Command, type Kind, type Operation, REGISTERS } from "./history.ts";
import { type Random, randomFrom } from "./random.ts";
import { settingsOf, type Workload } from "./workloads.ts";

export interface ClientOptions {
  seed: number;
  workload: Workload;
  /** The servers' ports. Each request goes to any of them. */
  ports: number[];
  /** The number of this group of browsers, which their names begin with. */
  group: number;
  browsers: number;
}

/** In a workload of long requests, the share of them, their least and most duration, and the longest pause, by the idle timeout. */
const LONG = { share: 0.08, least: 0.6, most: 1.7, pause: 0.6 };

/**
 * Runs browsers that send random requests, several of them in parallel, while `goesOn` is true for the number of operations
 * so far. Resolves with all operations.
 */
export async function runClients(
  options: ClientOptions,
  goesOn: (operations: number) => boolean,
): Promise<Operation[]> {
  const operations: Operation[] = [];
  const users = Array.from({ length: options.browsers }, (_, number) => user(options, number, operations, goesOn));
  await Promise.all(users);
  return operations;
}

async function user(
  { seed, workload, ports, group }: ClientOptions,
  number: number,
  operations: Operation[],
  goesOn: (operations: number) => boolean,
): Promise<void> {
  const random = randomFrom(seed, group * 1000 + number);
  const { weights, idleTimeout } = settingsOf(workload);
  const browser = new Browser(`${group}-${number}`, ports, random, (operation) => operations.push(operation));
  // Two browsers share an owner, whose sessions can be revoked.
  const owner = `owner ${group}-${number >> 1}`;
  const tags: string[] = [];

  async function act(): Promise<void> {
    const kind = random.weighted<Kind>(weights);
    const command: Omit<Command, "name"> = {
      kind,
      mode: modeOf(kind, workload, random),
      think: thinkTime(kind, random, idleTimeout),
      save: random() < 0.3,
      ...((kind === "set" || kind === "delete") && { key: random.pick(REGISTERS) }),
      ...((kind === "login" || kind === "revoke") && { owner }),
    };
    if (kind === "tag") {
      command.item = `tag ${browser.name} ${tags.length}`;
      tags.push(command.item);
    }
    if (kind === "untag") command.item = tags.length > 0 ? random.pick(tags.slice(-8)) : "none";
    const leaveAfter = random() < 0.004 ? random.between(0, 15) : undefined;
    const { outcome } = await browser.ask(command, leaveAfter);
    // A user reads an error message before the next request.
    if (outcome === "unknown") await sleep(random.between(20, 120));
  }

  while (goesOn(operations.length)) {
    await Promise.all(Array.from({ length: burst(random) }, act));
    if (random() < 0.004) browser.restart();
    if (random() < 0.3) await sleep(random.between(0, 20));
    if (idleTimeout !== undefined && random() < 0.1) await sleep(random.between(0, LONG.pause * idleTimeout));
  }
}

/** Milliseconds between reading and writing. */
function thinkTime(kind: Kind, random: Random, idleTimeout: number | undefined): number {
  if (idleTimeout !== undefined && random() < LONG.share) {
    return random.between(LONG.least * idleTimeout, LONG.most * idleTimeout);
  }
  return random() < 0.5 ? 0 : random.between(1, kind === "serial" ? 4 : 12);
}

function modeOf(kind: Kind, workload: Workload, random: Random): Command["mode"] {
  if (kind === "serial") return "exclusive";
  if (kind === "revoke") return "none";
  if (kind === "read") return random() < 0.7 ? "readonly" : "merge";
  // Merging requests wait for exclusive ones.
  return workload === "exclusive" && random() < 0.3 ? "exclusive" : "merge";
}

function burst(random: Random): number {
  const chance = random();
  if (chance < 0.01) return 20;
  return chance < 0.4 ? random.between(2, 6) : 1;
}
