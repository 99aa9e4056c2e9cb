// Whether all servers of the farm have the same settings, by a record in which each server's doctor leaves its own.

import { createHmac } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { SessionsOptions } from "../../index.ts";
import type { SessionStore } from "../../store.ts";
import { milliseconds } from "../../util/duration.ts";
import type { StoreAddress, Target } from "../target.ts";
import { type Finding, ok, problem, warning } from "./finding.ts";

/** No session has a key of this length. */
const KEY = "doctor-servers";
const KEPT_MS = 30 * 86_400_000;
const MAX_ATTEMPTS = 20;

/** What one server has. Settings that differ in nothing but form are the same: `"20m"` and 1200000. */
interface Entry {
  /** When doctor ran there, in milliseconds since 1970. */
  at: number;
  settings: Record<string, unknown>;
  /** For each secret, a hash under it. */
  secrets: string[];
}

/** Settings without which a user's session does not go from one server to another. */
const VITAL: ReadonlySet<string> = new Set(["application", "cookie", "encryption", "cipher"]);

/**
 * Leaves this server's settings in the store, and compares them with those that other servers have left in the last 30 days.
 * Never throws because of the store: what it refuses, other checks find.
 */
export async function checkServers(
  { store, options }: Target,
  server: string,
  address?: StoreAddress,
): Promise<Finding[]> {
  if (store.inProcess || store.inCookie) return [];
  const own = {
    at: Date.now(),
    settings: { ...settingsOf(options), ...storeSettingsOf(address) },
    secrets: [options.secret ?? []].flat().map(hashOf),
  };
  let others: Record<string, Entry>;
  try {
    others = await exchange(store, server, own);
  } catch {
    return [];
  }
  const names = Object.keys(others);
  const findings = names.flatMap((name) => compare(name, others[name]!, own));
  if (findings.length > 0) return findings;
  const count =
    names.length === 0 ? "no other server has run doctor yet" : `${names.length} other servers have the same`;
  return [ok("servers", `the settings of this server are noted in the store: ${count}`)];
}

/** Writes this server's entry. Gives the entries of the others. */
async function exchange(store: SessionStore, server: string, own: Entry): Promise<Record<string, Entry>> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const found = await store.read(KEY);
    const all = entriesOf(found?.value);
    delete all[server];
    const write = {
      value: Buffer.from(JSON.stringify({ ...all, [server]: own })),
      expiresAt: own.at + KEPT_MS,
    };
    const answer = found === undefined ? await store.create(KEY, write) : await store.update(KEY, write, found.version);
    if (answer !== "exists" && answer !== "conflict" && answer !== "gone") return all;
  }
  throw new Error("other servers wrote at the same moment");
}

function entriesOf(value: Uint8Array | undefined): Record<string, Entry> {
  if (value === undefined) return {};
  try {
    const all = Object.entries(JSON.parse(Buffer.from(value).toString()) as Record<string, Entry>);
    return Object.fromEntries(all.filter(([, { at }]) => at > Date.now() - KEPT_MS));
  } catch {
    return {}; // somebody else's bytes: they are replaced
  }
}

function settingsOf(options: SessionsOptions<object>): Record<string, unknown> {
  const span = (name: "idleTimeout" | "absoluteTimeout", fallback: string) =>
    options[name] === undefined && options.policy === undefined
      ? milliseconds(name, fallback as never)
      : options[name] && milliseconds(name, options[name]);
  return {
    application: options.application ?? "",
    cookie: { name: "", secure: true, sameSite: "Lax", domain: "", path: "/", ...options.cookie },
    encryption: options.encryption ?? "server",
    cipher: options.cipher ?? "",
    policy: options.policy ?? "",
    idleTimeout: span("idleTimeout", "20m") ?? "",
    absoluteTimeout: span("absoluteTimeout", "30d") ?? "",
    mode: options.mode ?? "merge",
  };
}

/** The options of a store that every server has to have alike. */
function storeSettingsOf(address: StoreAddress | undefined): Record<string, unknown> {
  if (address === undefined) return {};
  const { type, options } = address;
  return { store: { type, notify: options.notify ?? type === "redis", keepExpired: options.keepExpired ?? "" } };
}

function compare(name: string, other: Entry, own: Entry): Finding[] {
  const findings = Object.keys(own.settings)
    .filter((key) => !isDeepStrictEqual(JSON.parse(JSON.stringify(own.settings[key])), other.settings[key]))
    .map((key) => {
      const what = `${key} is ${JSON.stringify(own.settings[key])} here, and ${JSON.stringify(other.settings[key])} on the server ${name}`;
      const fix = "Give all servers the same settings, and run doctor on each: its entry is replaced.";
      return VITAL.has(key)
        ? problem("servers", what, "A session that one server begins is not found by the other one.", fix)
        : warning(
            "servers",
            what,
            "How long a session lasts, how requests meet, and what is announced depends on the server.",
            fix,
          );
    });
  const shared = own.secrets.filter((secret) => other.secrets.includes(secret));
  if (shared.length === 0 && own.secrets.length + other.secrets.length > 0) {
    findings.push(
      problem(
        "servers",
        `no secret of this server is one of the server ${name}`,
        "Cookies and sessions of one server are refused by the other one.",
        "Give all servers the same secrets: npx coatcheck rotate-secrets",
      ),
    );
  } else if (!isDeepStrictEqual(own.secrets, other.secrets)) {
    findings.push(
      warning(
        "servers",
        `the secrets of this server and of the server ${name} are not the same, or not in the same order`,
        "That is right in the middle of a rotation, and wrong for good.",
        "Finish the rotation: npx coatcheck rotate-secrets",
      ),
    );
  }
  return findings;
}

/** Under the secret itself, so that it tells nothing to those who do not have it. */
function hashOf(secret: string): string {
  return createHmac("sha256", secret).update("coatcheck doctor").digest("base64url").slice(0, 16);
}
