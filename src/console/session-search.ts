// Finds sessions for the console, and ends them. No value and no ticket leaves it.

import { isKey } from "../cookies/ticket.ts";
import { CapabilityError, reasonOf, StoreError } from "../errors.ts";
import type { Sessions } from "../index.ts";
import type { Internals } from "../management/internals.ts";
import { isSealed } from "../records/cipher.ts";
import { readFresh } from "../store.ts";
import { type Answer, failure } from "./answer.ts";
import type { Ended, Found, SessionView } from "./protocol.ts";
import { BodyError } from "./request.ts";

type AnySessions = Pick<Sessions<object>, "find" | "list" | "revoke" | "revokeAll">;

/** More than a person looks at. */
const MAX_SHOWN = 100;
/** The first bytes of a sealed value, for a glance. */
const SHOWN_BYTES = 64;

export async function find(sessions: AnySessions, internals: Internals, body: unknown): Promise<Found> {
  const { owner, id } = queryOf(body);
  return id === undefined ? findOwned(sessions, owner!) : findOne(sessions, internals, id);
}

export async function end(sessions: AnySessions, body: unknown): Promise<Ended> {
  const { owner, id } = queryOf(body);
  if (id === undefined) return { ended: await sessions.revokeAll(owner!) };
  return { ended: (await sessions.revoke(id)) ? 1 : 0 };
}

/** The body has one of the two. @throws BodyError */
function queryOf(body: unknown): { owner?: string; id?: string } {
  const { owner, id } = Object(body) as Record<string, unknown>;
  if (typeof owner === "string" && owner !== "" && id === undefined) return { owner };
  if (typeof id === "string" && isKey(id) && owner === undefined) return { id };
  throw new BodyError(400, 'The body is { "owner": "…" } or { "id": "…" }, with the public id of a session.');
}

async function findOwned(sessions: AnySessions, owner: string): Promise<Found> {
  const found: SessionView[] = [];
  for await (const session of sessions.list({ owner })) {
    if (found.length === MAX_SHOWN) return { sessions: found, more: true };
    found.push(viewOf(session));
  }
  return found.length === 0 ? { none: true } : { sessions: found, more: false };
}

async function findOne(sessions: AnySessions, { store }: Internals, id: string): Promise<Found> {
  const stored = store.inCookie ? undefined : await readFresh(store, id);
  const session = stored && (await sessions.find(id));
  if (stored === undefined || session === undefined) return { none: true };
  const { value, owner } = stored;
  const stranger = {
    key: id,
    ...(owner !== undefined && { owner }),
    // It may be older than the encryption that is chosen now.
    ...(isSealed(value) && { bytes: Buffer.from(value.subarray(0, SHOWN_BYTES)).toString("hex") }),
  };
  return { record: { ...viewOf(session), size: value.length, stranger } };
}

/** Of a session that can't be opened without its ticket, only its end is known. */
function viewOf({ data, ...known }: Awaited<ReturnType<AnySessions["find"]>> & object): SessionView {
  return known.createdAt === undefined ? known : { ...known, keys: Object.keys(data) };
}

/** The answer to an error. Its text is fixed, as a store's own message could quote what it was given. */
export function answerTo(error: unknown): Answer {
  if (error instanceof BodyError) return failure(error.status, error.message);
  if (error instanceof CapabilityError) return failure(501, "This store can't list the sessions of an owner.");
  if (error instanceof StoreError) return failure(503, "The store does not answer. Try again.");
  process.emitWarning(`coatcheck: a request to the console failed: ${reasonOf(error)}`);
  return failure(500, "The request failed. The server's log says why.");
}
