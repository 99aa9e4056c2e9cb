// The accounts cookies: tickets of the other sessions that a browser holds, beside the one that is active.

import { cookieText, type Ticket, type TicketSigner } from "./ticket.ts";

/** A session that is set aside. */
export interface SetAside {
  readonly ticket: Ticket;
  /** Until when the browser keeps it, in seconds since 1970. Undefined: until it closes. */
  readonly until: number | undefined;
}

/** The sessions that a browser can hold, the active one included. The cookies then take less than 600 bytes. */
export const MAX_ACCOUNTS = 10;

// A ticket, and `until` in base 36. A client that changes `until` changes how long its own browser keeps the cookie.
const SEPARATOR = ".";
const BEFORE_UNTIL = "~";
const RADIX = 36;

/** What is in the cookies' values, without `active`. `forged`: how many tickets were not made by this application. */
export function readAccounts(
  values: readonly string[],
  signer: TicketSigner,
  active: Ticket | undefined,
): { others: SetAside[]; forged: number } {
  const others = new Map<string, SetAside>();
  let forged = 0;
  for (const text of values.flatMap((value) => value.split(SEPARATOR)).slice(0, 2 * MAX_ACCOUNTS)) {
    if (text === "") continue;
    const [ticketText, untilText = ""] = text.split(BEFORE_UNTIL);
    const ticket = signer.verify(ticketText!);
    const until = Number.parseInt(untilText, RADIX);
    if (ticket === undefined) forged++;
    else if (ticket.key !== active?.key && others.size < MAX_ACCOUNTS - 1) {
      others.set(ticket.key, { ticket, until: Number.isSafeInteger(until) ? until : undefined });
    }
  }
  return { others: [...others.values()], forged };
}

/** The value of a cookie that holds these. */
export function accountsText(others: readonly SetAside[]): string {
  return others
    .map(({ ticket, until }) => cookieText(ticket) + (until === undefined ? "" : BEFORE_UNTIL + until.toString(RADIX)))
    .join(SEPARATOR);
}
