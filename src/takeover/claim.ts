// The claim that makes one session of one old session, whatever number of servers meet it at the same moment.

import { hash, randomBytes } from "node:crypto";
import type { Ticket, TicketSigner } from "../cookies/ticket.ts";
import type { LegacySource } from "../legacy/source.ts";
import { readFresh, type SessionStore } from "../store.ts";

/*
 * Each server that meets an old session makes a session of it under a ticket of its own, which nobody else knows. Then it
 * creates the claim. The store lets one of them do it, and the others drop theirs and go on with the winner's. The claim
 * stays when the session ends, so that an old cookie never brings it back.
 *
 * The claim does not hold the ticket: that follows from a secret, the old cookie, and a random number in the claim. So a
 * reader of the database learns no ticket, and a writer can't lead one user's old cookie to another user's session.
 */

const NONCE_BYTES = 18;

export interface ClaimContext {
  readonly store: SessionStore;
  readonly signer: TicketSigner;
  readonly application: string;
}

/** A ticket that is to be claimed for an old session. */
export interface Candidate {
  readonly ticket: Ticket;
  readonly nonce: Buffer;
}

/** No session has such a key. */
export function claimKey({ application }: ClaimContext, source: LegacySource, found: string): string {
  return `${hash("sha256", [application, source.package, source.identity(found)].join("\0"), "base64url").slice(0, 32)}-legacy`;
}

export function candidate(context: ClaimContext, source: LegacySource, found: string): Candidate {
  const nonce = randomBytes(NONCE_BYTES);
  return { nonce, ticket: tickets(context, source, found, nonce)[0]! };
}

/** True if the old session is ours now. False: another caller has claimed it. */
export async function claim(
  context: ClaimContext,
  source: LegacySource,
  found: string,
  { ticket, nonce }: Candidate,
  expiresAt: number,
): Promise<boolean> {
  const value = Buffer.concat([nonce, Buffer.from(ticket.key, "latin1")]);
  return (await context.store.create(claimKey(context, source, found), { value, expiresAt })) !== "exists";
}

/** The ticket that an old session was given. Its session may have ended. Undefined: nobody has claimed it. */
export async function claimed(
  context: ClaimContext,
  source: LegacySource,
  found: string,
): Promise<Ticket | "unknown" | undefined> {
  const stored = await readFresh(context.store, claimKey(context, source, found));
  if (stored === undefined) return undefined;
  const value = Buffer.from(stored.value);
  const key = value.toString("latin1", NONCE_BYTES);
  const known = tickets(context, source, found, value.subarray(0, NONCE_BYTES));
  return known.find((ticket) => ticket.key === key) ?? "unknown"; // made under another secret, or not by us
}

function tickets({ signer }: ClaimContext, source: LegacySource, found: string, nonce: Uint8Array): readonly Ticket[] {
  return signer.derive([source.package, source.identity(found), Buffer.from(nonce).toString("base64url")].join("\0"));
}
