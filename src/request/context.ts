// The types of what all sessions of one application share.

import type { CommitQueue } from "../commit/commit-queue.ts";
import type { BuilderContext } from "../commit/record-builder.ts";
import type { RegenerateContext } from "../commit/regenerate.ts";
import type { CsrfTokens } from "../cookies/csrf-token.ts";
import type { SessionCookie } from "../cookies/session-cookie.ts";
import type { HeaderTransport } from "../cookies/ticket-header.ts";
import type { LeaseContext, LeaseLimits } from "../locking/lease.ts";
import type { OwnerContext } from "../owners/owner-record.ts";
import type { RecordVersion } from "../records/record-store.ts";
import type { StoreClock } from "../resilience/store-clock.ts";
import type { LifetimeContext } from "./own-terms.ts";
import type { Renewals } from "./renewals.ts";
import type { SealedCookieStore } from "./sealed-cookie-store.ts";

/** The sum of what the layers below declare that they need. */
export interface SessionContext extends LeaseContext, RegenerateContext, BuilderContext, LifetimeContext, OwnerContext {
  readonly clock: StoreClock;
  readonly renewals: Renewals;
  readonly cookie: SessionCookie;
  readonly csrfTokens: CsrfTokens;
  /** Undefined: tickets travel in cookies only. */
  readonly transport: HeaderTransport | undefined;
  readonly commits: CommitQueue;
  readonly leaseLimits: LeaseLimits;
  /** Calls of `once` under way, by session and key. Each resolves with the state it leaves, or undefined if it fails. */
  readonly onceCalls: Map<string, Promise<RecordVersion | undefined>>;
  /** The request's own store, if the browser carries the session. `store` is the same. */
  readonly sealedCookie?: SealedCookieStore;
}
