// The workloads of the chaos test: the mix of requests, and how the servers are set up for it.
import type { Kind } from "./history.ts";

export interface WorkloadSettings {
  /** The weight of each kind of request. */
  readonly weights: { readonly [kind in Kind]?: number };
  /** Servers cache sessions. */
  readonly isCached?: true;
  /**
   * Milliseconds. Some requests take longer, and browsers pause for most of it. What keeps a server from its store for long
   * ends sessions then, so there are no such faults.
   */
  readonly idleTimeout?: number;
  /** The secret is rotated while requests run. Sessions then end after a share of the run. */
  readonly isRotated?: true;
}

const MERGING = {
  ...{ read: 30, set: 20, delete: 4, increment: 10, count: 8, append: 8, tag: 7, untag: 3 },
  ...{ login: 2, logout: 1.5, revoke: 0.3 },
};

/** The values of `--mode`. */
export const workloads = {
  merge: { weights: MERGING },
  exclusive: { weights: { serial: 45, read: 25, set: 6, increment: 5, append: 4, login: 1.5, logout: 1, revoke: 0.2 } },
  cached: { weights: { ...MERGING, read: 60 }, isCached: true },
  "long-requests": { weights: { ...MERGING, serial: 4, logout: 0.5, revoke: 0.1 }, idleTimeout: 2_000 },
  rotation: { weights: MERGING, isRotated: true },
} satisfies Record<string, WorkloadSettings>;

export type Workload = keyof typeof workloads;

export function settingsOf(workload: Workload): WorkloadSettings {
  return workloads[workload];
}
