// What an application's settings make of its policy: a report that an auditor can read.

import type { SessionCookie } from "../cookies/session-cookie.ts";
import { POLICIES, type PolicyName } from "../records/policy.ts";
import type { Lifetime } from "../records/terms.ts";
import type { SessionStore } from "../store.ts";
import { milliseconds } from "../util/duration.ts";

/** One requirement, and what the application has. */
export interface PolicyRule {
  /** What is asked, in one sentence. */
  rule: string;
  /** Where it is asked. */
  source: string;
  /** The application's value. Timeouts are in milliseconds. */
  value: number | string | boolean;
  /** The most that the policy allows, in milliseconds. */
  limit?: number;
  isMet: boolean;
}

/** What `sessions.policyReport` gives. */
export interface PolicyReport {
  /** Undefined: the application has chosen none, and its timeouts have no limit to meet. */
  policy: PolicyName | undefined;
  /** True if every rule is met. */
  isMet: boolean;
  rules: PolicyRule[];
}

/** What the report needs of the application. */
export interface PolicyContext extends Lifetime {
  readonly policy: PolicyName | undefined;
  readonly cookie: SessionCookie;
  readonly store: SessionStore;
}

const COOKIES = "NIST SP 800-63B-4, 5.1.1; OWASP ASVS 5.0, 3.3";

export function policyReport({ policy, idleTimeout, absoluteTimeout, cookie, store }: PolicyContext): PolicyReport {
  const rules = [...timeoutRules(policy, { idleTimeout, absoluteTimeout })];
  // What the cookie of an https response says, whatever the options were.
  const text = cookie.issue("", true);
  const has = (attribute: string) => text.includes(`; ${attribute}`);
  rules.push(
    { rule: "The cookie travels over https only.", source: COOKIES, value: has("Secure"), isMet: has("Secure") },
    { rule: "Scripts can't read the cookie.", source: COOKIES, value: has("HttpOnly"), isMet: has("HttpOnly") },
    sameSiteRule(text),
    {
      rule: "The cookie belongs to this host alone: its name begins with __Host-.",
      source: COOKIES,
      value: text.slice(0, text.indexOf("=")),
      isMet: text.startsWith("__Host-"),
    },
    {
      rule: "A logout ends the session on the server.",
      source: "NIST SP 800-63B-4, 5.1; OWASP ASVS 5.0, 7.4.1",
      value: store.inCookie ? "the browser keeps the session" : "the store keeps the session",
      isMet: store.inCookie !== true,
    },
  );
  return { policy, isMet: rules.every(({ isMet }) => isMet), rules };
}

function timeoutRules(policy: PolicyName | undefined, lifetime: Lifetime): PolicyRule[] {
  if (policy === undefined) return [];
  const { source, ...limits } = POLICIES[policy];
  const rule = (name: "idleTimeout" | "absoluteTimeout", text: string): PolicyRule => {
    const limit = milliseconds(name, limits[name]);
    return { rule: text, source, value: lifetime[name], limit, isMet: lifetime[name] <= limit };
  };
  return [
    rule("absoluteTimeout", "The user is authenticated again after this time (absoluteTimeout)."),
    rule("idleTimeout", "A session without requests ends after this time (idleTimeout)."),
  ];
}

function sameSiteRule(text: string): PolicyRule {
  const value = /; SameSite=(\w+)/.exec(text)?.[1] ?? "none";
  return {
    rule: "Other sites' forms don't send the cookie: SameSite is Lax or Strict.",
    source: COOKIES,
    value,
    isMet: value === "Lax" || value === "Strict",
  };
}
