import type { CarriedStore } from "./carried.ts";
import type { KeyRules } from "./changes.ts";
import type { Cipher } from "./cipher.ts";
import type { CommitQueue } from "./commits.ts";
import type { CookieJar } from "./cookie.ts";
import type { Events } from "./events.ts";
import type { Leases } from "./lease.ts";
import type { SessionStore } from "./store.ts";
import type { TicketOffice } from "./ticket.ts";

/** What all sessions of one application share. */
export interface SessionContext {
  readonly store: SessionStore;
  /** The same, if it is a request's own, which the browser has to carry on. */
  readonly carried?: CarriedStore;
  readonly office: TicketOffice;
  readonly cipher: Cipher;
  readonly jar: CookieJar;
  readonly events: Events;
  readonly commits: CommitQueue;
  readonly leases: Leases;
  readonly rules: KeyRules;
  readonly idleTimeout: number;
  readonly absoluteTimeout: number;
  readonly maxSize: number;
  readonly storeTimeout: number;
  /** True if no two writes ever have the same bytes. */
  readonly uniqueValues: boolean;
  /** True if the store keeps copies, so that records have to say how new they are. */
  readonly countsRevisions: boolean;
  /** The name under which the store files an owner. */
  ownerName(owner: string): string;
}
