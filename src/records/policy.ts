// The timeouts of an application: its own, or those of a policy (NIST SP 800-63B-4, ASP.NET).

import { OptionError } from "../errors.ts";
import { type Duration, milliseconds } from "../util/duration.ts";
import type { Lifetime } from "./terms.ts";

/**
 * Timeouts that others have chosen. `"aal1"`, `"aal2"`, `"aal3"`: the authentication assurance levels of NIST SP 800-63B-4.
 * `"aspnet"`: the session state of ASP.NET.
 */
export type PolicyName = "aal1" | "aal2" | "aal3" | "aspnet";

interface Policy {
  readonly idleTimeout: Duration;
  readonly absoluteTimeout: Duration;
  /** Where it says so. */
  readonly source: string;
}

export const POLICIES: Readonly<Record<PolicyName, Policy>> = {
  // No limit of inactivity is required: the overall one is enough.
  aal1: { idleTimeout: "30d", absoluteTimeout: "30d", source: "NIST SP 800-63B-4, 2.1.3" },
  aal2: { idleTimeout: "1h", absoluteTimeout: "24h", source: "NIST SP 800-63B-4, 2.2.3" },
  aal3: { idleTimeout: "15m", absoluteTimeout: "12h", source: "NIST SP 800-63B-4, 2.3.3" },
  aspnet: { idleTimeout: "20m", absoluteTimeout: "30d", source: "ASP.NET, <sessionState timeout>" },
};
const NO_POLICY = { idleTimeout: "20m", absoluteTimeout: "30d" } as const;

interface TimeoutOptions {
  readonly policy?: PolicyName;
  readonly idleTimeout?: Duration;
  readonly absoluteTimeout?: Duration;
}

/** The timeouts of the options: own values go over those of the policy. @throws OptionError */
export function timeoutsOf(options: TimeoutOptions): Lifetime {
  const { policy } = options;
  if (policy !== undefined && !Object.hasOwn(POLICIES, policy)) {
    throw new OptionError("policy", policy, 'use "aal1", "aal2", "aal3", "aspnet".');
  }
  const preset = policy === undefined ? NO_POLICY : POLICIES[policy];
  const absolute = options.absoluteTimeout ?? preset.absoluteTimeout;
  const absoluteTimeout = milliseconds("absoluteTimeout", absolute);
  if (options.idleTimeout === undefined && policy !== undefined) {
    return { idleTimeout: Math.min(milliseconds("idleTimeout", preset.idleTimeout), absoluteTimeout), absoluteTimeout };
  }
  const idleTimeout = milliseconds("idleTimeout", options.idleTimeout ?? preset.idleTimeout);
  if (idleTimeout > absoluteTimeout) {
    throw new OptionError(
      "idleTimeout",
      options.idleTimeout,
      `it is longer than absoluteTimeout (${absolute}): raise that, or lower this.`,
    );
  }
  return { idleTimeout, absoluteTimeout };
}

/** The longest life that `persist` may give: with a level of NIST's, no longer than that or the application's own. */
export function longestLife(policy: PolicyName | undefined, { absoluteTimeout }: Lifetime): number {
  if (policy === undefined || policy === "aspnet") return Infinity;
  return Math.max(milliseconds("absoluteTimeout", POLICIES[policy].absoluteTimeout), absoluteTimeout);
}
