// npm run bench:guard [-- --update]: fails if a request allocates, calls or writes more than guard.json records.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createSessions, type SessionStore } from "../src/index.ts";
import { memory } from "../src/stores/memory/index.ts";
import { FLAGS } from "./allocations.ts";
import { SECRET } from "./contender.ts";
import { withCoatcheck } from "./contenders/coatcheck.ts";
import type { Fields } from "./session-data.ts";

/** What requests cost, in figures that do not depend on the machine. */
interface Costs {
  /** Allocations depend on V8, so they are only compared on this version of Node. */
  node: string;
  allocated: Record<string, number>;
  store: Record<string, StoreCost>;
}

interface StoreCost {
  /** The calls, in order. */
  calls: string;
  bytesWritten: number;
}

/** The same source gives the same bytes within a thousandth. A change of inlining may cost a little more. */
const MARGIN = 0.02;
const FILE = new URL("guard.json", import.meta.url);

const now: Costs = { node: process.versions.node, allocated: allocations(), store: await storeCosts() };
if (process.argv.includes("--update")) {
  writeFileSync(FILE, `${JSON.stringify(now, null, 2)}\n`);
} else {
  const grown = compare(JSON.parse(readFileSync(FILE, "utf8")) as Costs);
  for (const line of grown) console.error(line);
  if (grown.length > 0) {
    console.error("If the growth is justified, record it: npm run bench:guard -- --update");
    process.exitCode = 1;
  }
}

function allocations(): Record<string, number> {
  const script = fileURLToPath(new URL("allocations.ts", import.meta.url));
  return JSON.parse(execFileSync(process.execPath, [...FLAGS, script], { encoding: "utf8" })) as Record<string, number>;
}

/** Uses a memory store that is treated as a store outside the process: values are sealed, and calls have time limits. */
async function storeCosts(): Promise<Record<string, StoreCost>> {
  const { inProcess: _, ...store } = memory();
  let calls: string[] = [];
  let bytesWritten = 0;
  const counted: SessionStore = {
    ...store,
    read: (key, touchUntil) => called("read", store.read(key, touchUntil)),
    create: (key, session) => called("create", store.create(key, session), session.value.length),
    update: (key, session, ifVersion) => called("update", store.update(key, session, ifVersion), session.value.length),
    delete: (key, ifVersion) => called("delete", store.delete(key, ifVersion)),
    touch: (key, expiresAt) => called("touch", store.touch(key, expiresAt)),
  };
  function called<Answer>(name: string, answer: Answer, bytes = 0): Answer {
    calls.push(name);
    bytesWritten += bytes;
    return answer;
  }

  const sessions = createSessions<Fields>({ store: counted, secret: SECRET, sweepInterval: false });
  type Session = Awaited<ReturnType<typeof sessions.open>>;
  let cookie = "";
  const costs: Record<string, StoreCost> = {};
  const request = async (name: string, handler: (session: Session) => unknown) => {
    calls = [];
    bytesWritten = 0;
    const session = await sessions.open(cookie);
    await handler(session);
    const [setCookie] = await session.commit();
    cookie = setCookie?.split(";")[0] ?? cookie;
    costs[name] = { calls: calls.join(" "), bytesWritten };
  };
  await request("no cookie, nothing written", () => {});
  await request("new session", (session) => withCoatcheck.fill({ session }));
  await request("nothing touched", () => {});
  await request("read one key", (session) => withCoatcheck.read({ session }));
  await request("change one key", (session) => withCoatcheck.change({ session }));
  await request("write an unchanged value", (session) => session.set("theme", "dark"));
  await request("log in", (session) => session.regenerate());
  await request("log out", (session) => session.destroy());
  await sessions.close();
  return costs;
}

function compare(recorded: Costs): string[] {
  const grown: string[] = [];
  const isSameNode = recorded.node === now.node;
  if (!isSameNode) console.log(`Recorded with Node ${recorded.node}: allocations are shown, but not compared.`);
  for (const [name, bytes] of Object.entries(now.allocated)) {
    const before = recorded.allocated[name];
    console.log(`${String(bytes).padStart(8)} bytes allocated, recorded ${before ?? "nothing"}:  ${name}`);
    if (isSameNode && before !== undefined && bytes > before * (1 + MARGIN)) {
      grown.push(`${name}: allocates ${bytes} bytes, recorded ${before}`);
    }
  }
  for (const [name, { calls, bytesWritten }] of Object.entries(now.store)) {
    const before = recorded.store[name];
    console.log(`${String(bytesWritten).padStart(8)} bytes written, ${calls || "no call"}:  ${name}`);
    if (before === undefined) continue;
    if (calls !== before.calls) grown.push(`${name}: calls the store's "${calls}", recorded "${before.calls}"`);
    if (bytesWritten > before.bytesWritten) {
      grown.push(`${name}: writes ${bytesWritten} bytes, recorded ${before.bytesWritten}`);
    }
  }
  return grown;
}
