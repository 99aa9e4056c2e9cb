// What can be asked of any store: whether it answers, allows each operation, and is quick, and whose clock it has.

import { randomBytes } from "node:crypto";
import { reasonOf } from "../../errors.ts";
import type { SessionStore } from "../../store.ts";
import { isSessionKey } from "../../util/side-records.ts";
import { counted } from "../output.ts";
import type { Target } from "../target.ts";
import { type Finding, ok, problem, warning } from "./finding.ts";

const SLOW_P99_MS = 50;
const SAMPLES = 100;
const SKEW_WARNING_MS = 2_000;
const SKEW_ERROR_MS = 60_000;
const MAX_READ = 200;
const LIFE_MS = 60_000;

export async function checkStore(target: Target): Promise<Finding[]> {
  const { store } = target;
  const findings: Finding[] = [];
  try {
    await store.read(newKey());
  } catch (error) {
    const reason = reasonOf(error).replace(/^coatcheck: /, "");
    if ((error as { code?: string }).code === "COATCHECK_PEER") {
      return [problem("package", reason, "The application can't start without it.", "Run the command that it names.")];
    }
    return [
      problem(
        "reach",
        `the store can't be read: ${reason}`,
        "No request gets its session: all of them are answered 503.",
        "Check that the server runs, and that address, account and network are right.",
      ),
    ];
  }
  findings.push(ok("reach", `${target.name} answers`));
  findings.push(...(await checkOperations(store)));
  for (const check of [checkLatency, checkClock, checkRecords]) {
    try {
      findings.push(...(await check(target)));
    } catch (error) {
      findings.push(
        problem(
          "reach",
          `some calls to the store fail: ${reasonOf(error)}`,
          "Requests that meet it are answered 503: a part of the store may be down.",
          "Look at the servers of the store, and at the network between.",
        ),
      );
      break;
    }
  }
  return findings;
}

/** Runs each operation with a session of its own, so that a right that is missing shows now and not at a login. */
async function checkOperations(store: SessionStore): Promise<Finding[]> {
  const key = newKey();
  const write = { value: randomBytes(64), expiresAt: Date.now() + LIFE_MS, owner: newKey() };
  const findings: Finding[] = [];
  let version: Awaited<ReturnType<SessionStore["create"]>> | undefined;
  const operations: [name: string, effect: string, run: () => Promise<unknown>][] = [
    ["create", "Nobody can log in.", async () => (version = await store.create(key, write))],
    ["update", "No session can be changed.", async () => store.update(key, write, version!)],
    ["touch", "Sessions end although they are used.", () => store.touch(key, write.expiresAt + LIFE_MS)],
    [
      "list",
      "revokeAll and list fail, so nobody can log out everywhere.",
      async () => {
        if (store.list === undefined) return;
        for await (const _ of store.list({ owner: write.owner })) break;
      },
    ],
    ["time", "Sessions can't go by the store's clock.", async () => store.time?.()],
    ["delete", "Nobody can log out.", () => store.delete(key)],
  ];
  for (const [name, effect, run] of operations) {
    try {
      await run();
    } catch (error) {
      const what = `${name} is refused: ${reasonOf(error)}`;
      findings.push(
        problem(
          `operation-${name}`,
          what,
          effect,
          `Give the account the right to ${name}, or mend what the message says.`,
        ),
      );
      if (name === "create") return findings;
    }
  }
  if (findings.length === 0) findings.push(ok("operations", "every operation is allowed"));
  if (store.list === undefined) {
    findings.push(
      warning(
        "list",
        "the store can't list sessions",
        "list, count, revokeAll and revokeOthers are errors.",
        "Use a store that can list, if you need them: see docs/stores.md.",
      ),
    );
  }
  return findings;
}

async function checkLatency({ store }: Target): Promise<Finding[]> {
  const times: number[] = [];
  for (let i = 0; i < SAMPLES; i++) {
    const started = performance.now();
    await store.read(newKey());
    times.push(performance.now() - started);
  }
  times.sort((one, other) => one - other);
  const [p50, p99] = [times[SAMPLES / 2]!, times[SAMPLES - 2]!];
  const what = `a read takes ${p50.toFixed(2)} ms, and 99 of 100 take at most ${p99.toFixed(2)} ms`;
  if (p99 < SLOW_P99_MS) return [ok("latency", what)];
  return [
    warning(
      "latency",
      what,
      "Every request with a session waits for at least one read.",
      "Move the store near the servers, or put cached() in front of it.",
    ),
  ];
}

async function checkClock({ store }: Target): Promise<Finding[]> {
  if (store.time === undefined) return [ok("clock", "the store goes by this machine's clock")];
  const before = Date.now();
  const time = await store.time();
  const skew = Math.round(time - (before + Date.now()) / 2);
  const what = `the store's clock is ${Math.abs(skew)} ms ${skew < 0 ? "behind" : "ahead of"} this machine's`;
  const why =
    "Sessions go by the store's clock, so they last as they should. But logs disagree, and TLS certificates and other tokens may be refused.";
  const fix = "Let both machines take their time from NTP: timedatectl set-ntp true";
  if (Math.abs(skew) >= SKEW_ERROR_MS) return [problem("clock", what, why, fix)];
  return [Math.abs(skew) >= SKEW_WARNING_MS ? warning("clock", what, why, fix) : ok("clock", what)];
}

/** Looks into some sessions: what can't be opened here was sealed with other settings. */
async function checkRecords({ store, sessions, hasSecret, options }: Target): Promise<Finding[]> {
  if (store.list === undefined || !hasSecret || options.encryption === "ticket" || store.inProcess) return [];
  let [read, closed] = [0, 0];
  for await (const { key } of store.list({})) {
    if (!isSessionKey(key)) continue;
    const found = await sessions.find(key);
    if (found !== undefined) {
      read++;
      if (found.createdAt === undefined) closed++;
    }
    if (read >= MAX_READ) break;
  }
  if (read === 0) return [ok("settings", "there is no session yet to open with these settings")];
  if (closed === 0) return [ok("settings", `these settings open ${counted(read, "session")}`)];
  return [
    problem(
      "settings",
      `${closed} of ${read} sessions can't be opened with these settings`,
      'Some server has another secret, another application name, or encryption "ticket". Its users get 503 from the others.',
      "Give all servers the same secrets in the same order, and the same application: npx coatcheck rotate-secrets",
    ),
  ];
}

/** A key of the form that the core makes, which no session has. */
function newKey(): string {
  return randomBytes(18).toString("base64url");
}
